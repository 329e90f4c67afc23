//! `ivan doctor --fix`: applies the remedies that lose nothing.

use std::path::Path;

use async_trait::async_trait;

use super::CheckedSource;
use crate::domain::finding::{CheckupReport, SafeMend};
use crate::domain::task::Source;

/// Repairs the webhooks of a source, as `ivan webhooks repair` does.
#[async_trait]
pub trait WebhookRepair: Send + Sync {
    /// The changes, as sentences without a full stop; the error is a sentence, too.
    async fn repair(&self, source: Source) -> Result<Vec<String>, String>;
}

/// The results: what was done, and what was not.
#[derive(Debug, Default)]
pub struct Mended {
    /// As sentences without a full stop.
    pub done: Vec<String>,
    /// As sentences without a full stop.
    pub failed: Vec<String>,
}

/// Applies each safe remedy of a report once.
pub async fn mend(
    report: &CheckupReport,
    sources: &[CheckedSource],
    repair: &dyn WebhookRepair,
) -> Mended {
    let mut all: Vec<&SafeMend> = Vec::new();
    for finding in report
        .findings
        .iter()
        .filter(|finding| finding.is_to_mend())
    {
        if let Some(mend) = &finding.mend
            && !all.contains(&mend)
        {
            all.push(mend);
        }
    }
    let mut mended = Mended::default();
    for one in all {
        let result = match one {
            SafeMend::KeepPrivate(file) => keep_private(file).map(|done| vec![done]),
            SafeMend::RepairWebhooks(source) => repair.repair(*source).await,
            SafeMend::RemoveWebhook(hook) => {
                let keepers = sources.iter().map(|source| &source.keeper);
                match keepers
                    .into_iter()
                    .find(|keeper| keeper.source() == hook.source)
                {
                    Some(keeper) => match keeper.remove(hook).await {
                        Ok(()) => Ok(vec![format!(
                            "removed the second webhook of {} to {}",
                            hook.place, hook.url
                        )]),
                        Err(error) => Err(format!(
                            "the webhook {} of {}: {error}",
                            hook.id, hook.place
                        )),
                    },
                    None => continue,
                }
            }
        };
        match result {
            Ok(done) => mended.done.extend(done),
            Err(why) => mended.failed.push(why),
        }
    }
    mended
}

#[cfg(unix)]
fn keep_private(file: &Path) -> Result<String, String> {
    use std::os::unix::fs::PermissionsExt;
    let shown = file.display();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600))
        .map(|()| format!("{shown} has mode 0600"))
        .map_err(|error| format!("the mode of {shown}: {error}"))
}

#[cfg(not(unix))]
fn keep_private(file: &Path) -> Result<String, String> {
    Err(format!("{} has no mode on this system", file.display()))
}
