//! Ids and timestamps in Slack's forms. They are random, because a store outlives the sandbox that filled it.

/// A version 4 UUID: envelope ids, tickets, `client_msg_id`.
pub(super) fn uuid() -> String {
    let hex = format!("{:032x}", fastrand::u128(..));
    let mut digits = hex.chars();
    let mut take = |count: usize| digits.by_ref().take(count).collect::<String>();
    let (first, second, third, fourth, last) = (take(8), take(4), take(4), take(4), take(12));
    let (third, fourth): (String, String) = (
        third.chars().skip(1).collect(),
        fourth.chars().skip(1).collect(),
    );
    format!("{first}-{second}-4{third}-a{fourth}-{last}")
}

/// An id of an event, view or file: the prefix and nine capitals or digits.
pub(super) fn slack(prefix: &str) -> String {
    let tail: String = std::iter::repeat_with(|| fastrand::alphanumeric().to_ascii_uppercase())
        .take(9)
        .collect();
    format!("{prefix}{tail}")
}

/// Random letters and digits.
pub(super) fn short(length: usize) -> String {
    std::iter::repeat_with(fastrand::alphanumeric)
        .take(length)
        .collect()
}

/// Microseconds since the epoch as a `ts`: seconds, a point, six digits.
pub(super) fn ts(micros: i64) -> String {
    format!(
        "{}.{:06}",
        micros.div_euclid(1_000_000),
        micros.rem_euclid(1_000_000)
    )
}

/// The microseconds of a `ts`; `None` if it is not a `ts`.
pub(super) fn micros(ts: &str) -> Option<i64> {
    let (seconds, rest) = ts.split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.chars().all(|next| next.is_ascii_digit());
    if !digits(seconds) || !digits(rest) || rest.len() != 6 {
        return None;
    }
    seconds
        .parse::<i64>()
        .ok()?
        .checked_mul(1_000_000)?
        .checked_add(rest.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ts_is_read_as_written_and_nothing_else_is_one() {
        assert_eq!(
            micros(&ts(1_763_800_000_123_459)),
            Some(1_763_800_000_123_459)
        );
        for no in [
            "",
            "1763800000",
            "1763800000.1",
            "x.000000",
            "-1.000000",
            "1763800000.1234567",
        ] {
            assert_eq!(micros(no), None, "{no}");
        }
    }

    #[test]
    fn a_uuid_has_its_shape() {
        let id = uuid();
        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_ne!(id, uuid());
    }
}
