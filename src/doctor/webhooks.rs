//! The chapter about webhooks: each registered once, healthy, with a secret that is known here, and leading here.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use url::Url;

use super::{CheckedSource, Patient};
use crate::cli::webhooks::{ANY_HOOK, leads_to};
use crate::domain::finding::{Finding, FindingArea, SafeMend};
use crate::domain::operation::WriteError;
use crate::domain::source::{Places, Webhook};
use crate::domain::task::Source;
use crate::http_client;
use crate::store::checkup::StoreRows;

const AREA: FindingArea = FindingArea::Webhooks;
const LATER: &str = "Changes there are found by the next poll only";

/// The findings about the webhooks of all sources.
pub(super) async fn findings(patient: &Patient<'_>, rows: Option<&StoreRows>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in &patient.sources {
        let Places { found, refused } = source.keeper.list().await;
        let known = Known::of(patient, rows, source.keeper.source());
        for (place, error) in &refused {
            let text = format!("The webhooks of {place} cannot be listed");
            let remedy = source.keeper.facts().on_refusal;
            match error {
                _ if known.is_wanted() => findings.push(Finding::warning(
                    AREA,
                    "webhooks.listed",
                    text,
                    error.to_string(),
                    remedy,
                )),
                // Without a webhook, there is none to look after. A token need not have the right.
                WriteError::Refused { .. } => {
                    findings.push(Finding::unknown(AREA, "webhooks.listed", text, remedy));
                }
                // The chapter about the source says so.
                WriteError::NotTaken { .. } | WriteError::Unknown { .. } => {}
            }
        }
        let chapter = Chapter {
            source,
            known: &known,
            patient,
        };
        chapter
            .findings(found, refused.is_empty(), &mut findings)
            .await;
    }
    findings
}

/// What is known here about the webhooks of a source.
struct Known {
    configured: Option<String>,
    /// Address and secret by webhook.
    registered: Vec<(String, String, String)>,
}

impl Known {
    fn of(patient: &Patient<'_>, rows: Option<&StoreRows>, source: Source) -> Known {
        let webhooks = rows
            .map(|rows| rows.webhooks.as_slice())
            .unwrap_or_default();
        let of_source = webhooks.iter().filter(|(of, ..)| *of == source);
        Known {
            configured: patient.webhook_secrets.get(&source).cloned(),
            registered: of_source
                .map(|(_, hook, url, secret)| (hook.clone(), url.clone(), secret.clone()))
                .collect(),
        }
    }

    fn is_wanted(&self) -> bool {
        self.configured.is_some() || !self.registered.is_empty()
    }

    fn addresses(&self) -> BTreeSet<&str> {
        self.registered
            .iter()
            .map(|(_, url, _)| url.as_str())
            .collect()
    }

    /// The secret that the source signs the deliveries of a webhook with, as far as it is known here.
    fn secret(&self, hook: &Webhook) -> Option<&str> {
        let of = |id: &str| {
            let found = self.registered.iter().find(|(known, ..)| known == id);
            found.map(|(.., secret)| secret.as_str())
        };
        of(&hook.id)
            .or_else(|| of(ANY_HOOK))
            .or(self.configured.as_deref())
    }
}

struct Chapter<'a> {
    source: &'a CheckedSource,
    known: &'a Known,
    patient: &'a Patient<'a>,
}

impl Chapter<'_> {
    fn source(&self) -> Source {
        self.source.keeper.source()
    }

    async fn findings(&self, found: Vec<Webhook>, is_whole: bool, findings: &mut Vec<Finding>) {
        let addresses = self.known.addresses();
        let mut by_address: BTreeMap<(String, String), Vec<Webhook>> = BTreeMap::new();
        for hook in found {
            if leads_to(&hook.url, self.source()) {
                let place = (hook.url.clone(), hook.place.clone());
                by_address.entry(place).or_default().push(hook);
            }
        }
        if is_whole {
            for address in &addresses {
                findings.extend(self.missing(address, &by_address));
            }
        }
        if is_whole && by_address.is_empty() && addresses.is_empty() {
            let name = self.source().name();
            findings.push(match &self.known.configured {
                None => Finding::well(
                    AREA,
                    "webhooks.none",
                    format!(
                        "{name} has no webhook: changes are found by polling. `ivan webhooks register --url https://…` makes \
                         one"
                    ),
                ),
                Some(_) => Finding::unknown(
                    AREA,
                    "webhooks.none",
                    format!("No webhook of {name} leads to Ivan, as far as the token sees"),
                    "`ivan webhooks register --url https://…` makes one",
                ),
            });
        }
        for hooks in by_address.into_values() {
            self.of_one_address(hooks, findings).await;
        }
    }

    /// The places without a webhook for an address that others have, or that all had.
    fn missing(
        &self,
        address: &str,
        found: &BTreeMap<(String, String), Vec<Webhook>>,
    ) -> Option<Finding> {
        let here = found.keys().filter(|(url, _)| url == address);
        let here: Vec<&str> = here.map(|(_, place)| place.as_str()).collect();
        if here.len() >= self.source.places.len() {
            return None;
        }
        let is_here = |place: &&String| !here.iter().any(|one| one.eq_ignore_ascii_case(place));
        let missing: Vec<&str> = self
            .source
            .places
            .iter()
            .filter(is_here)
            .map(String::as_str)
            .collect();
        let name = self.source().name();
        let finding = Finding::broken(
            AREA,
            "webhooks.missing",
            format!(
                "{name} has no webhook for {address} in {}",
                missing.join(", ")
            ),
            LATER,
            "ivan webhooks repair",
        );
        Some(finding.mended_by(SafeMend::RepairWebhooks(self.source())))
    }

    /// The webhooks of one place with the same address: one is enough.
    async fn of_one_address(&self, mut hooks: Vec<Webhook>, findings: &mut Vec<Finding>) {
        let is_ours = |hook: &Webhook| self.known.registered.iter().any(|(id, ..)| *id == hook.id);
        hooks.sort_by_key(|hook| (!hook.active, !is_ours(hook)));
        let mut hooks = hooks.into_iter();
        let Some(first) = hooks.next() else { return };
        for twin in hooks {
            let (place, url) = (&twin.place, &twin.url);
            let mut finding = Finding::warning(
                AREA,
                "webhooks.duplicate",
                format!("{place} has more than one webhook for {url}"),
                "Every change arrives twice",
                format!(
                    "Delete the webhook {} of {place} in {}",
                    twin.id,
                    self.source().name()
                ),
            );
            if self.known.addresses().contains(url.as_str()) {
                finding = finding.mended_by(SafeMend::RemoveWebhook(twin.clone()));
            }
            findings.push(finding);
        }
        let before = findings.len();
        self.health(&first, findings);
        if first.active
            && let Err(error) = self
                .source
                .keeper
                .missed(&first, self.patient.clock.now())
                .await
        {
            findings.push(Finding::warning(
                AREA,
                "webhooks.deliveries",
                format!("The deliveries of {}'s webhook cannot be read", first.place),
                format!("Deliveries that got lost are not fetched again: {error}"),
                self.source.keeper.facts().on_refusal,
            ));
        }
        if findings.len() == before {
            findings.push(Finding::well(
                AREA,
                "webhooks.healthy",
                format!(
                    "{} has one webhook for {} ({})",
                    first.place, first.url, first.health
                ),
            ));
        }
        if self.patient.live
            && let Some(secret) = self.known.secret(&first)
        {
            findings.push(self.delivers(&first, secret).await);
        }
    }

    /// The public address of Ivan in that of a webhook.
    fn base<'a>(&self, url: &'a str) -> &'a str {
        let path = format!("/webhooks/{}", self.source());
        url.trim_end_matches('/').trim_end_matches(&path)
    }

    fn health(&self, hook: &Webhook, findings: &mut Vec<Finding>) {
        let (place, url, health) = (&hook.place, &hook.url, &hook.health);
        let is_registered = self.known.addresses().contains(url.as_str());
        if !hook.active {
            let mut finding = Finding::broken(
                AREA,
                "webhooks.suspended",
                format!("The webhook of {place} for {url} is switched off ({health})"),
                LATER,
                match is_registered {
                    true => "ivan webhooks repair".to_owned(),
                    false => format!("ivan webhooks register --url {}", self.base(url)),
                },
            );
            if is_registered {
                finding = finding.mended_by(SafeMend::RepairWebhooks(self.source()));
            }
            findings.push(finding);
        } else if is_failing(health) {
            let answer = health.split(',').next().unwrap_or_default();
            let is_rejected = ["last answer 401", "last answer 403"].contains(&answer);
            findings.push(Finding::warning(
                AREA,
                "webhooks.failing",
                format!("The last delivery to {url} from {place} failed ({health})"),
                LATER,
                match is_rejected {
                    true => format!(
                        "Ivan rejected its signature: `ivan webhooks register --url {}` sets a new secret",
                        self.base(url)
                    ),
                    false => "`ivan doctor --live` sends a test delivery, and says where it ends".to_owned(),
                },
            ));
        }
        if self.known.secret(hook).is_none() {
            findings.push(Finding::warning(
                AREA,
                "webhooks.secret",
                format!("The secret of {place}'s webhook for {url} is not known here"),
                "If that address leads here, its deliveries are rejected. If it is another Ivan's, all is well",
                self.source.keeper.facts().on_unknown_secret,
            ));
        }
    }

    /// Sends a signed delivery to the address of a webhook, which only an Ivan with that secret accepts.
    async fn delivers(&self, hook: &Webhook, secret: &str) -> Finding {
        let check = "webhooks.delivery";
        let url = &hook.url;
        let bind = self.patient.config.webhooks.bind;
        let broken = |text: String, remedy: String| {
            let why = format!(
                "Deliveries of {} do not arrive. {LATER}",
                self.source().name()
            );
            Finding::broken(AREA, check, text, why, remedy)
        };
        let remedy = format!(
            "Start `ivan serve` if it does not run, and let the proxy or tunnel pass {url} to {bind} (webhooks.bind) \
             unchanged"
        );
        let parsed = match Url::parse(url) {
            Ok(parsed) => parsed,
            Err(error) => return broken(format!("{url} is no address ({error})"), remedy),
        };
        let test = self.source.keeper.test_delivery(hook, secret);
        let sent =
            http_client::exchange_once(Method::POST, &parsed, &test.headers, test.body).await;
        match sent {
            Ok((200..=299, text)) if text.contains("\"ignored\"") => Finding::well(
                AREA,
                check,
                format!("A signed test delivery to {url} is accepted"),
            ),
            Ok((200..=299, _)) => {
                broken(format!("Something else than Ivan answers at {url}"), remedy)
            }
            Ok((401 | 403, _)) => broken(
                format!("The listener behind {url} rejects the signature of a test delivery"),
                format!(
                    "If another Ivan listens there, stop one of the two. Else run `ivan webhooks register --url {}`, which \
                     sets a new secret",
                    self.base(url)
                ),
            ),
            Ok((status, _)) => broken(
                format!("{url} answers a test delivery with HTTP {status}"),
                remedy,
            ),
            Err(why) => broken(format!("{url} cannot be reached ({why})"), remedy),
        }
    }
}

/// Whether a source's words about a webhook tell of a failed delivery.
fn is_failing(health: &str) -> bool {
    let code = health.strip_prefix("last answer ");
    let refused = code.is_some_and(|code| !code.starts_with('2'));
    refused || health.starts_with("failing") || health.starts_with("no answer")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("active", false)]
    #[case("unused", false)]
    #[case("last answer 200", false)]
    #[case("last answer 502", true)]
    #[case("no answer: timed out", true)]
    #[case("failing, 3 failures", true)]
    fn a_failed_delivery_shows_in_the_health(#[case] health: &str, #[case] failing: bool) {
        assert_eq!(is_failing(health), failing);
    }
}
