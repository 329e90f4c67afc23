//! What systemd is told of a service of `Type=notify`: that it is ready, its state in one line, and that it is not stuck.
//! Nothing happens where nobody listens (`NOTIFY_SOCKET`, `WATCHDOG_USEC`).

use sd_notify::NotifyState;
use tokio::sync::watch;
use tokio::time::{Interval, interval};

use crate::mailbox::SlackNews;
use crate::runtime::CancellationToken;
use crate::store::Store;

/// Reports until told to stop. It is ready once it listens: Slack may be away when a machine starts, and to start the
/// service again and again would not bring it back. `news` is `None` without Slack.
pub(super) async fn report(
    store: Store,
    mut news: Option<watch::Receiver<SlackNews>>,
    stopping: CancellationToken,
) {
    let standing = news
        .as_mut()
        .map(|news| standing(&news.borrow_and_update()));
    tell(&[
        NotifyState::Ready,
        NotifyState::Status(
            standing
                .as_deref()
                .unwrap_or("ready; Slack is not configured"),
        ),
    ]);
    // Three beats in each limit: one may come late.
    let mut beats = sd_notify::watchdog_enabled().map(|limit| interval(limit / 3));
    let reports = async {
        loop {
            tokio::select! {
                now = changed(&mut news) => tell(&[NotifyState::Status(&now)]),
                () = beat(&mut beats) => {
                    // Whether the store fails is told elsewhere, and no restart mends it. A read that never ends is a
                    // reason to start again.
                    let _ = store.read(|_| Ok(())).await;
                    tell(&[NotifyState::Watchdog]);
                }
            }
        }
    };
    stopping.run_until_cancelled(reports).await;
    tell(&[
        NotifyState::Stopping,
        NotifyState::Status("stopping; finishing work under way"),
    ]);
}

/// Reports a daemon that stands by until told to stop: it is ready to take over.
pub(super) async fn stands_by(mut standing: watch::Receiver<String>, stop: CancellationToken) {
    tell(&[
        NotifyState::Ready,
        NotifyState::Status(&standing.borrow_and_update().clone()),
    ]);
    let mut beats = sd_notify::watchdog_enabled().map(|limit| interval(limit / 3));
    let reports = async {
        loop {
            tokio::select! {
                Ok(()) = standing.changed() => {
                    let now = standing.borrow_and_update().clone();
                    tell(&[NotifyState::Status(&now)]);
                }
                () = beat(&mut beats) => tell(&[NotifyState::Watchdog]),
            }
        }
    };
    stop.run_until_cancelled(reports).await;
}

/// The next state of the connection to Slack. Never resolves without Slack, or once nobody reports it any more.
async fn changed(news: &mut Option<watch::Receiver<SlackNews>>) -> String {
    if let Some(news) = news
        && news.changed().await.is_ok()
    {
        return standing(&news.borrow_and_update());
    }
    std::future::pending().await
}

/// The next time to report. Never resolves if nobody asked for it.
async fn beat(beats: &mut Option<Interval>) {
    match beats {
        Some(beats) => drop(beats.tick().await),
        None => std::future::pending().await,
    }
}

fn standing(news: &SlackNews) -> String {
    match (&news.trouble, news.connected) {
        (Some(why), _) => format!("Slack: {why}"),
        (None, true) => "ready; connected to Slack".to_owned(),
        (None, false) => "connecting to Slack".to_owned(),
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd not told");
    }
}
