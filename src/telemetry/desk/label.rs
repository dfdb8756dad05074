//! `ip addrlabel`, carried out.

use super::Desk;
use super::ip::{Done, Refused};
use crate::iproute2::{LabelCommand, LabelSpec, Options, show};

impl Desk<'_> {
    pub(super) fn label(&mut self, command: &LabelCommand, options: &Options) -> Done {
        match command {
            LabelCommand::Show => {
                let labels = self.router.labels().iter();
                let views = labels
                    .map(|(net, iface, label)| (*net, iface.map(|own| self.name(own)), *label));
                return Ok(show::show_labels(views, options));
            }
            LabelCommand::Add(spec) => {
                let iface = self.iface_of_label(spec)?;
                let net = spec.net.trunc();
                let there = self.router.labels().iter().any(|row| (row.0, row.1) == (net, iface));
                if there {
                    return Err(Refused::new("RTNETLINK answers: File exists"));
                }
                self.router.with_labels(|labels| labels.set(net, iface, spec.label, false));
            }
            LabelCommand::Del(spec) => {
                let iface = self.iface_of_label(spec)?;
                let net = spec.net.trunc();
                if !self.router.with_labels(|labels| labels.remove(net, iface)) {
                    return Err(Refused::new("RTNETLINK answers: No such process"));
                }
            }
            LabelCommand::Flush => self.router.with_labels(|labels| {
                let all: Vec<_> = labels.iter().map(|row| (row.0, row.1)).collect();
                for (net, iface) in all {
                    labels.remove(net, iface);
                }
            }),
        }
        Ok(String::new())
    }

    fn iface_of_label(&self, spec: &LabelSpec) -> Result<Option<u16>, Refused> {
        let Some(dev) = &spec.dev else { return Ok(None) };
        match self.router.iface(dev) {
            Some(iface) => Ok(Some(iface.index)),
            None => Err(Refused::argument(dev, "dev is invalid\n")),
        }
    }
}
