//! Webhook delivery of ClickUp and GitHub: delivers in order, and on request loses, repeats, holds or reorders
//! deliveries. Each service decides in its `DeliveryHandler` how an answer is handled (retry, suspension, log entry).
//!
//! Deliveries stay on this machine: an address outside loopback needs a tunnel to loopback, or is unreachable.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use url::{Host, Url};

use super::{http_client, locked, now};

/// One attempt to deliver one webhook request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryAttempt {
    /// The webhook's id.
    pub hook: String,
    /// The event's name, with its action if it has one (`issues.closed`).
    pub event: String,
    /// The address as registered.
    pub url: String,
    /// The headers as sent, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as sent and signed: JSON, or a form with a `payload` field.
    pub body: String,
    /// The number of the attempt, from 1.
    pub attempt: u32,
}

impl DeliveryAttempt {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The end of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptEnd {
    /// The endpoint's status, and the time it took.
    Answered(u16, Duration),
    /// No answer, with GitHub's description: `failed to connect`, `timed out`.
    Failed(&'static str),
    /// Lost on request, never sent.
    Lost,
}

impl AttemptEnd {
    /// Whether the endpoint accepted it.
    pub fn is_ok(&self) -> bool {
        matches!(self, AttemptEnd::Answered(status, _) if (200..300).contains(status))
    }
}

/// One attempt after its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRecord {
    /// The time of its end in milliseconds since the epoch.
    pub at_ms: i64,
    /// The request, with the number of the attempt.
    pub parcel: DeliveryAttempt,
    /// The answer, or the reason for none.
    pub ended: AttemptEnd,
}

/// The service's decisions about its deliveries.
pub(super) trait DeliveryHandler: Send + Sync + 'static {
    /// Whether it should still be sent.
    fn wanted(&self, parcel: &DeliveryAttempt) -> bool;
    /// Records the end of an attempt. `Some` requests a retry after that delay.
    fn ended(&self, parcel: &DeliveryAttempt, ended: &AttemptEnd) -> Option<Duration>;
}

/// Accepts parcels and delivers them. Clones share the queue; deliveries stop when the last clone is dropped.
#[derive(Clone)]
pub(super) struct WebhookSender {
    queue: mpsc::UnboundedSender<Job>,
    desk: Arc<Desk>,
}

struct Desk {
    knobs: Mutex<Knobs>,
    delivered: Mutex<Vec<DeliveryRecord>>,
    /// Parcels accepted but not finished, without those held back.
    under_way: watch::Sender<usize>,
}

/// A parcel, with the settings at the time it was posted.
struct Job {
    parcel: DeliveryAttempt,
    lost: bool,
    times: u32,
}

struct Knobs {
    timeout: Duration,
    lose: u32,
    repeat: u32,
    held: Option<Vec<Job>>,
    /// Public base address → loopback base address.
    tunnels: Vec<(String, String)>,
}

impl WebhookSender {
    /// Starts the deliveries; `timeout` limits an endpoint's answer.
    pub fn start(timeout: Duration, carry: impl DeliveryHandler) -> WebhookSender {
        let (queue, incoming) = mpsc::unbounded_channel();
        let knobs = Knobs {
            timeout,
            lose: 0,
            repeat: 0,
            held: None,
            tunnels: Vec::new(),
        };
        let desk = Arc::new(Desk {
            knobs: Mutex::new(knobs),
            delivered: Mutex::default(),
            under_way: watch::Sender::new(0),
        });
        tokio::spawn(carry_all(incoming, Arc::clone(&desk), Arc::new(carry)));
        WebhookSender { queue, desk }
    }

    /// Accepts parcels in this order.
    pub fn send(&self, parcels: Vec<DeliveryAttempt>) {
        let mut knobs = locked(&self.desk.knobs);
        let mut ready = Vec::new();
        for parcel in parcels {
            let lost = take(&mut knobs.lose);
            let times = if !lost && take(&mut knobs.repeat) {
                2
            } else {
                1
            };
            let job = Job {
                parcel,
                lost,
                times,
            };
            match &mut knobs.held {
                Some(held) => held.push(job),
                None => ready.push(job),
            }
        }
        drop(knobs);
        self.post(ready);
    }

    fn post(&self, jobs: Vec<Job>) {
        for job in jobs {
            self.desk.under_way.send_modify(|count| *count += 1);
            if self.queue.send(job).is_err() {
                self.desk.under_way.send_modify(|count| *count -= 1);
            }
        }
    }

    pub fn lose_next(&self, n: u32) {
        locked(&self.desk.knobs).lose += n;
    }

    pub fn repeat_next(&self, n: u32) {
        locked(&self.desk.knobs).repeat += n;
    }

    pub fn hold(&self) {
        locked(&self.desk.knobs).held.get_or_insert_default();
    }

    pub fn release(&self, backwards: bool) {
        let mut held = locked(&self.desk.knobs).held.take().unwrap_or_default();
        if backwards {
            held.reverse();
        }
        self.post(held);
    }

    /// Loses the held parcels and ends the holding.
    pub fn lose_held(&self) {
        let mut held = locked(&self.desk.knobs).held.take().unwrap_or_default();
        for job in &mut held {
            job.lost = true;
        }
        self.post(held);
    }

    pub fn tunnel(&self, public: &str, local: &str) {
        let (public, local) = (
            public.trim_end_matches('/').to_owned(),
            local.trim_end_matches('/').to_owned(),
        );
        locked(&self.desk.knobs).tunnels.push((public, local));
    }

    pub fn timeout(&self, timeout: Duration) {
        locked(&self.desk.knobs).timeout = timeout;
    }

    pub fn deliveries(&self) -> Vec<DeliveryRecord> {
        locked(&self.desk.delivered).clone()
    }

    /// Whether no delivery is under way.
    pub fn is_settled(&self) -> bool {
        *self.desk.under_way.borrow() == 0
    }

    /// Waits until no delivery is under way.
    pub async fn settled(&self) {
        let _ = self
            .desk
            .under_way
            .subscribe()
            .wait_for(|count| *count == 0)
            .await;
    }
}

async fn carry_all<C: DeliveryHandler>(
    mut incoming: mpsc::UnboundedReceiver<Job>,
    desk: Arc<Desk>,
    carry: Arc<C>,
) {
    let client = http_client();
    while let Some(Job {
        parcel,
        lost,
        times,
    }) = incoming.recv().await
    {
        for _ in 0..times {
            let again = attempt(&desk, &*carry, &client, &parcel, lost).await;
            let Some(wait) = again.filter(|_| !lost) else {
                continue;
            };
            // Retries run separately, so later deliveries do not wait for them.
            desk.under_way.send_modify(|count| *count += 1);
            let (desk, carry, client, parcel) = (
                Arc::clone(&desk),
                Arc::clone(&carry),
                client.clone(),
                parcel.clone(),
            );
            tokio::spawn(async move {
                retry(&desk, &*carry, &client, parcel, wait).await;
                desk.under_way.send_modify(|count| *count -= 1);
            });
        }
        desk.under_way.send_modify(|count| *count -= 1);
    }
}

fn take(count: &mut u32) -> bool {
    let had = *count > 0;
    *count = count.saturating_sub(1);
    had
}

async fn retry<C: DeliveryHandler>(
    desk: &Desk,
    carry: &C,
    client: &reqwest::Client,
    mut parcel: DeliveryAttempt,
    mut wait: Duration,
) {
    loop {
        tokio::time::sleep(wait).await;
        parcel.attempt += 1;
        match attempt(desk, carry, client, &parcel, false).await {
            Some(next) => wait = next,
            None => return,
        }
    }
}

async fn attempt<C: DeliveryHandler>(
    desk: &Desk,
    carry: &C,
    client: &reqwest::Client,
    parcel: &DeliveryAttempt,
    lost: bool,
) -> Option<Duration> {
    if !carry.wanted(parcel) {
        return None;
    }
    let ended = if lost {
        AttemptEnd::Lost
    } else {
        bring(desk, client, parcel).await
    };
    let again = carry.ended(parcel, &ended);
    locked(&desk.delivered).push(DeliveryRecord {
        at_ms: now(),
        parcel: parcel.clone(),
        ended,
    });
    again
}

async fn bring(desk: &Desk, client: &reqwest::Client, parcel: &DeliveryAttempt) -> AttemptEnd {
    let (timeout, address) = {
        let knobs = locked(&desk.knobs);
        (knobs.timeout, reachable(&parcel.url, &knobs.tunnels))
    };
    let Some(address) = address else {
        return AttemptEnd::Failed("failed to connect");
    };
    let mut request = client
        .post(address)
        .timeout(timeout)
        .body(parcel.body.clone());
    for (name, value) in &parcel.headers {
        request = request.header(name, value);
    }
    let began = now();
    match request.send().await {
        Ok(answer) => AttemptEnd::Answered(
            answer.status().as_u16(),
            Duration::from_millis(now().abs_diff(began)),
        ),
        Err(error) if error.is_timeout() => AttemptEnd::Failed("timed out"),
        Err(_) => AttemptEnd::Failed("failed to connect"),
    }
}

/// The loopback address for an address; `None` if it is elsewhere and no tunnel fits.
fn reachable(address: &str, tunnels: &[(String, String)]) -> Option<Url> {
    let through = tunnels.iter().rev().find_map(|(public, local)| {
        let rest = address.strip_prefix(public.as_str())?;
        (rest.is_empty() || rest.starts_with(['/', '?'])).then(|| format!("{local}{rest}"))
    });
    let address = Url::parse(through.as_deref().unwrap_or(address)).ok()?;
    is_loopback(&address).then_some(address)
}

/// Whether an address is on loopback.
pub(super) fn is_loopback(address: &Url) -> bool {
    match address.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_the_machine() {
        let tunnels = [(
            "https://bot.example".to_owned(),
            "http://127.0.0.1:8788".to_owned(),
        )];
        let at = |address| reachable(address, &tunnels).map(String::from);
        assert_eq!(
            at("https://bot.example/webhooks/github").as_deref(),
            Some("http://127.0.0.1:8788/webhooks/github")
        );
        assert_eq!(
            at("http://127.0.0.1:1/x").as_deref(),
            Some("http://127.0.0.1:1/x")
        );
        assert_eq!(at("https://bot.example.org/webhooks"), None);
        assert_eq!(at("https://elsewhere.example/"), None);
    }
}
