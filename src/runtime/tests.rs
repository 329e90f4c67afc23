use std::future::{pending, ready};
use std::sync::Arc;

use rstest::rstest;
use tokio::sync::oneshot;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
/// The supervisor's time limit for tasks that do not end.
const WITHIN: Duration = Duration::from_millis(200);

/// Works until the shutdown.
async fn works(shutdown: CancellationToken) -> Result<(), String> {
    shutdown.cancelled().await;
    Ok(())
}

async fn soon<T>(ends: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(60 * SECOND, ends).await;
    ended.expect("it goes on")
}

/// Runs a task that dies beside another. Returns the supervisor's error after the other has finished its work.
async fn dies(how: impl Future<Output = Result<(), String>> + Send + 'static) -> String {
    let shutdown = CancellationToken::new();
    let (finished, has_finished) = oneshot::channel();
    let mut supervisor = Supervisor::new(shutdown.clone());
    supervisor.start("another part", async move {
        works(shutdown).await?;
        let _ = finished.send(());
        Ok(())
    });
    supervisor.start("the ear", how);
    let ended = soon(supervisor.run(pending(), WITHIN)).await.unwrap_err();
    has_finished
        .await
        .expect("the others are told to stop, and finish");
    ended.to_string()
}

#[tokio::test]
async fn a_task_that_panics_fails_or_just_ends_stops_the_others_and_is_named() {
    let why = dies(async { panic!("the {} is down", "drum") }).await;
    assert!(
        why.starts_with("the ear stopped unexpectedly: it panicked (the drum is down)."),
        "{why}"
    );
    let why = dies(async { Err("no air".to_owned()) }).await;
    assert!(
        why.starts_with("the ear stopped unexpectedly: no air."),
        "{why}"
    );
    let why = dies(ready(Ok(()))).await;
    assert!(
        why.starts_with("the ear stopped unexpectedly: no reason given."),
        "{why}"
    );
}

#[tokio::test]
async fn a_task_that_does_not_stop_holds_nobody_up() {
    let shutdown = CancellationToken::new();
    let mut supervisor = Supervisor::new(shutdown.clone());
    supervisor.start("a part", works(shutdown));
    supervisor.start("a stuck part", pending());
    assert_eq!(soon(supervisor.run(ready(()), WITHIN)).await, Ok(()));
}

#[tokio::test]
async fn a_task_that_fails_while_it_stops_is_named_too() {
    let shutdown = CancellationToken::new();
    let mut supervisor = Supervisor::new(shutdown.clone());
    supervisor.start("a part", async move {
        works(shutdown).await?;
        Err("too late".to_owned())
    });
    let ended = soon(supervisor.run(ready(()), WITHIN)).await.unwrap_err();
    let why = ended.to_string();
    assert!(
        why.starts_with("a part stopped unexpectedly: too late."),
        "{why}"
    );
}

#[tokio::test]
async fn of_several_that_die_the_first_is_the_reason() {
    let shutdown = CancellationToken::new();
    let mut supervisor = Supervisor::new(shutdown.clone());
    supervisor.start("the first", ready(Err("no air".to_owned())));
    supervisor.start("the second", async move {
        works(shutdown).await?;
        Err("no company".to_owned())
    });
    let ended = soon(supervisor.run(pending(), WITHIN)).await.unwrap_err();
    let why = EndReason::Failed("no air".to_owned());
    let task = "the first";
    assert_eq!(ended, TaskEnded { task, why });
}

#[tokio::test]
async fn a_run_that_is_dropped_tells_its_tasks_to_stop() {
    let shutdown = CancellationToken::new();
    let mut supervisor = Supervisor::new(shutdown.clone());
    supervisor.start("a part", works(shutdown.clone()));
    let run = supervisor.run(pending(), WITHIN);
    assert!(tokio::time::timeout(SECOND / 100, run).await.is_err());
    assert!(shutdown.is_cancelled());
}

#[tokio::test]
async fn watching_tells_a_panic_an_early_end_and_an_asked_one_apart() {
    let shutdown = CancellationToken::new();
    let mut supervisor = Supervisor::<String>::new(shutdown.clone());
    supervisor.start("listen", async { panic!("the {} is down", "ear") });
    supervisor.start("post", works(shutdown.clone()));
    let task = "listen";
    let why = EndReason::Panicked("the ear is down".to_owned());
    assert_eq!(soon(supervisor.watch()).await, Err(TaskEnded { task, why }));
    supervisor.start("react", ready(Ok(())));
    let task = "react";
    let why = EndReason::Returned;
    assert_eq!(soon(supervisor.watch()).await, Err(TaskEnded { task, why }));
    shutdown.cancel();
    assert_eq!(soon(supervisor.watch()).await, Ok(()));
}

#[tokio::test]
async fn a_shutdown_ends_a_sleep() {
    let shutdown = CancellationToken::new();
    assert!(soon(slept(Duration::ZERO, &shutdown)).await);
    let long = slept(3_600 * SECOND, &shutdown);
    let stops = async { shutdown.cancel() };
    let (slept_well, ()) = soon(async { tokio::join!(long, stops) }).await;
    assert!(!slept_well);
    assert!(
        !soon(slept(Duration::ZERO, &shutdown)).await,
        "no new sleep begins"
    );
}

#[test]
fn a_panic_of_one_holder_locks_nobody_out() {
    let count = Arc::new(Mutex::new(1));
    let held = Arc::clone(&count);
    let crashed = std::thread::spawn(move || {
        let mut count = lock(&held);
        *count = 2;
        panic!("while it is held");
    });
    assert!(crashed.join().is_err());
    assert!(count.is_poisoned());
    assert_eq!(*lock(&count), 2);
}

#[test]
fn waits_double_up_to_the_longest_and_start_anew() {
    let mut backoff = Backoff::new(SECOND, 60 * SECOND);
    let steps = [1, 2, 4, 8, 16, 32, 60, 60];
    for (failures, step) in (0..).zip(steps) {
        for wait in [backoff.after(failures), backoff.next()] {
            let is_within = wait >= step * SECOND / 2 && wait <= step * SECOND;
            assert!(is_within, "{wait:?} of {step} s");
        }
    }
    backoff.reset();
    assert!(backoff.next() <= SECOND);
}

#[test]
fn waits_are_spread_over_the_upper_half_of_their_step() {
    let backoff = Backoff::new(SECOND, 60 * SECOND);
    let waits: Vec<Duration> = (0..1_000).map(|_| backoff.after(0)).collect();
    let (low, high) = (0.6, 0.9);
    assert!(waits.iter().any(|wait| wait.as_secs_f64() < low));
    assert!(waits.iter().any(|wait| wait.as_secs_f64() > high));
}

#[rstest]
#[case(SECOND, 60 * SECOND)]
#[case(SECOND, 86_400 * SECOND)]
#[case(60 * SECOND, SECOND)]
fn any_number_of_failures_is_waited_for_no_longer_than_the_longest(
    #[case] first: Duration,
    #[case] max: Duration,
) {
    let mut backoff = Backoff::new(first, max);
    let longest = (0..100).map(|_| backoff.next()).max();
    assert!(longest.is_some_and(|longest| longest <= max));
    assert!(backoff.after(u32::MAX) <= max);
}

#[test]
fn a_burst_goes_at_once_and_the_rest_once_a_second() {
    let limiter = RateLimiter::new(SECOND, 3);
    let now = Instant::now();
    let turns: Vec<Duration> = (0..5)
        .map(|_| limiter.take("C1", now).duration_since(now))
        .collect();
    assert_eq!(turns, [0, 0, 0, 1, 2].map(|seconds| seconds * SECOND));
    assert_eq!(limiter.take("C2", now), now, "another key does not wait");
    let later = now + 60 * SECOND;
    let free = (0..20).filter(|_| limiter.take("C1", later) == later);
    assert_eq!(free.count(), 3, "the burst does not grow");
}

#[test]
fn a_pause_is_for_its_key_only_and_no_burst_follows_it() {
    let limiter = RateLimiter::new(SECOND, 3);
    let now = Instant::now();
    limiter.pause("C1", now + 7 * SECOND);
    limiter.pause("C1", now + 5 * SECOND);
    assert_eq!(limiter.take("C1", now), now + 7 * SECOND);
    assert_eq!(limiter.take("C1", now), now + 8 * SECOND);
    assert_eq!(limiter.take("C2", now), now);
}

#[test]
fn a_slot_that_was_given_back_is_anothers() {
    let limiter = RateLimiter::new(SECOND, 10);
    let now = Instant::now();
    for _ in 0..100 {
        assert_eq!(limiter.take("C1", now), now);
        limiter.give_back("C1");
    }
    limiter.give_back("C1");
    limiter.give_back("C2");
    for key in ["C1", "C2"] {
        let free = (0..20).filter(|_| limiter.take(key, now) == now).count();
        assert_eq!(free, 10, "the burst of {key} does not grow");
    }
    assert_eq!(limiter.take("C1", now), now + 11 * SECOND);
    limiter.give_back("C1");
    assert_eq!(limiter.take("C1", now), now + 11 * SECOND);
}

#[test]
fn slots_that_are_given_back_do_not_shorten_a_pause() {
    let limiter = RateLimiter::new(SECOND, 3);
    let now = Instant::now();
    limiter.take("C1", now);
    limiter.pause("C1", now + 7 * SECOND);
    limiter.give_back("C1");
    assert_eq!(limiter.take("C1", now), now + 7 * SECOND);
    assert_eq!(limiter.take("C1", now), now + 8 * SECOND);
}

#[test]
fn without_a_rate_nothing_waits_but_for_a_pause() {
    let limiter = RateLimiter::new(Duration::ZERO, 10);
    let now = Instant::now();
    assert!((0..1_000).all(|_| limiter.take("C1", now) == now));
    limiter.pause("C1", now + SECOND);
    assert_eq!(limiter.take("C1", now), now + SECOND);
}

#[test]
fn idle_keys_are_forgotten() {
    let limiter = RateLimiter::new(SECOND, 1);
    let now = Instant::now();
    for channel in 0..3 * KEYS_MAX {
        let later = now + 2 * SECOND * u32::try_from(channel).unwrap();
        limiter.take(&format!("C{channel}"), later);
    }
    assert!(lock(&limiter.keys).len() <= KEYS_MAX);
}

#[tokio::test]
async fn a_turn_is_waited_for() {
    let limiter = RateLimiter::new(SECOND / 20, 1);
    let begun = Instant::now();
    soon(limiter.turn("C1")).await;
    soon(limiter.turn("C1")).await;
    assert!(begun.elapsed() >= SECOND / 20);
}

#[test]
fn a_slot_that_is_not_now_is_left_to_others() {
    let limiter = RateLimiter::new(Duration::from_secs(1), 2);
    let begin = Instant::now();
    let taken = [0, 0, 0, 900, 1_000, 1_000, 9_000].map(|ms| {
        let now = begin + Duration::from_millis(ms);
        limiter.take_now("a", now)
    });
    assert_eq!(taken, [true, true, false, false, true, false, true]);
}
