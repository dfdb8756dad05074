//! Routes from a file with one route a line: a full table, as `ip route show` prints it.
//!
//! - takes: lines of `ip route show`, or of `ip route add`; `#` starts a comment, and a line that
//!   starts with a space goes on with the route above
//! - gives: routes, or the lines that are none
//! - costs: about a microsecond a route; a full table is read in a second

use std::{ops::Range, path::Path, sync::Arc};

use super::{At, Config, ConfigErrors, Source, error::ConfigError};
use crate::{iproute2::parse_route_words, route::spec::RouteSpec};

/// Errors after which reading stops: a file of another kind has one in each line.
const MOST_ERRORS: usize = 20;

/// Reads the routes of a text one by one and gives them to `each`, which may refuse one with a
/// sentence; `name` stands before errors. Gives the number of routes.
///
/// # Errors
/// The first lines that are no routes, or that were refused.
pub fn each_route(
    name: &str,
    text: String,
    mut each: impl FnMut(RouteSpec) -> Result<(), String>,
) -> Result<usize, ConfigErrors> {
    let mut count = 0;
    let mut errors = Vec::new();
    let mut pending: Vec<&str> = Vec::new();
    let offset = |word: &str| word.as_ptr() as usize - text.as_ptr() as usize;
    let mut finish = |words: &mut Vec<&str>, errors: &mut Vec<ConfigError>| {
        let (Some(first), Some(last)) = (words.first(), words.last()) else { return };
        let line = offset(first)..offset(last) + last.len();
        match parse_route_words(false, words) {
            Ok(route) => match each(route) {
                Ok(()) => count += 1,
                Err(message) => errors.push(ConfigError { message, hint: None, at: Some(line) }),
            },
            Err(error) => {
                let word = words.get(error.at);
                let at = word.map_or(line.end..line.end, |word| range(offset(word), word));
                errors.push(ConfigError { message: error.to_string(), hint: None, at: Some(at) });
            }
        }
        words.clear();
    };
    for line in text.lines() {
        if !line.starts_with([' ', '\t']) {
            finish(&mut pending, &mut errors);
            if errors.len() >= MOST_ERRORS {
                break;
            }
        }
        let line = line.split_once('#').map_or(line, |(line, _)| line);
        // `ip -oneline` ends the lines of a route with a backslash.
        pending.extend(line.split_ascii_whitespace().filter(|word| *word != "\\"));
    }
    finish(&mut pending, &mut errors);
    if errors.is_empty() {
        return Ok(count);
    }
    let source = Source { name: name.to_owned(), text };
    Err(ConfigErrors::new(Arc::new(source), errors))
}

fn range(start: usize, word: &str) -> Range<usize> {
    start..start + word.len()
}

impl Config {
    /// Gives the routes of the file that `[routes]` names to `each`, which may refuse one with a
    /// sentence; gives their number, 0 when it names none.
    ///
    /// # Errors
    /// When the file cannot be read, and the lines in it that are no routes or were refused.
    pub fn each_file_route(
        &self,
        each: impl FnMut(RouteSpec) -> Result<(), String>,
    ) -> Result<usize, ConfigErrors> {
        let Some(path) = &self.route_file else { return Ok(0) };
        let text = read(path, self)?;
        each_route(&path.display().to_string(), text, each)
    }
}

fn read(path: &At<std::path::PathBuf>, config: &Config) -> Result<String, ConfigErrors> {
    let file: &Path = path;
    std::fs::read_to_string(file).map_err(|error| {
        config.error(path.place(), format!("cannot read {}: {error}", file.display()), None)
    })
}
