mod fixed;
mod known;
mod oracle;
mod stories;
