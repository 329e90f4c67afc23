//! The recorder behind the `metrics` facade: numbers in memory, rendered in Prometheus' text format.
//!
//! It is our own, because the usual exporter calibrates a clock at each start, which takes up to 200 ms of processor
//! time, and needs a timer to bound its memory. A histogram here is a fixed number of counts.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Label, Metadata, SharedString, Unit,
};

use crate::runtime::lock;

/// Clones share the numbers.
#[derive(Clone, Default)]
pub(super) struct Recorder {
    numbers: Arc<Numbers>,
}

#[derive(Default)]
struct Numbers {
    /// The histograms' bounds, by name.
    buckets: HashMap<&'static str, &'static [f64]>,
    descriptions: Mutex<BTreeMap<String, SharedString>>,
    counters: Mutex<HashMap<Key, Arc<AtomicU64>>>,
    gauges: Mutex<HashMap<Key, Arc<AtomicU64>>>,
    histograms: Mutex<HashMap<Key, Arc<Buckets>>>,
}

/// A histogram: how many values were at most each bound, and their sum.
struct Buckets {
    bounds: &'static [f64],
    state: Mutex<BucketCounts>,
}

struct BucketCounts {
    /// One for each bound, without those of smaller bounds.
    within: Vec<u64>,
    all: u64,
    sum: f64,
}

impl Recorder {
    /// A recorder whose histograms have these upper bounds, in order.
    pub(super) fn new(buckets: &[(&'static str, &'static [f64])]) -> Recorder {
        Recorder {
            numbers: Arc::new(Numbers {
                buckets: buckets.iter().copied().collect(),
                ..Numbers::default()
            }),
        }
    }

    /// All numbers, in Prometheus' text format.
    pub(super) fn render(&self) -> String {
        let numbers = &*self.numbers;
        let mut text = String::new();
        let counters = sorted(&lock(&numbers.counters));
        self.family(&mut text, "counter", counters, |text, key, counter| {
            let value = counter.load(Ordering::Relaxed);
            let _ = writeln!(text, "{}{} {value}", key.name(), labels(key, None));
        });
        let gauges = sorted(&lock(&numbers.gauges));
        self.family(&mut text, "gauge", gauges, |text, key, gauge| {
            let value = f64::from_bits(gauge.load(Ordering::Relaxed));
            let _ = writeln!(text, "{}{} {value}", key.name(), labels(key, None));
        });
        let histograms = sorted(&lock(&numbers.histograms));
        self.family(&mut text, "histogram", histograms, Buckets::render);
        text
    }

    /// Writes the numbers of one kind, each name with its description and type first.
    fn family<T>(
        &self,
        text: &mut String,
        kind: &str,
        numbers: Vec<(Key, Arc<T>)>,
        write: impl Fn(&mut String, &Key, &T),
    ) {
        let descriptions = lock(&self.numbers.descriptions);
        let mut last = None;
        for (key, number) in &numbers {
            let name = key.name();
            if last != Some(name) {
                if last.is_some() {
                    text.push('\n');
                }
                if let Some(description) = descriptions.get(name) {
                    let description = description.replace('\\', "\\\\").replace('\n', "\\n");
                    let _ = writeln!(text, "# HELP {name} {description}");
                }
                let _ = writeln!(text, "# TYPE {name} {kind}");
                last = Some(name);
            }
            write(text, key, number);
        }
        if last.is_some() {
            text.push('\n');
        }
    }

    fn describe(&self, name: KeyName, description: SharedString) {
        let mut descriptions = lock(&self.numbers.descriptions);
        descriptions.insert(name.as_str().to_owned(), description);
    }
}

fn sorted<T>(numbers: &HashMap<Key, Arc<T>>) -> Vec<(Key, Arc<T>)> {
    let numbers = numbers.iter();
    let mut numbers: Vec<_> = numbers
        .map(|(key, number)| (key.clone(), Arc::clone(number)))
        .collect();
    numbers.sort_by(|(one, _), (other, _)| one.cmp(other));
    numbers
}

/// The number behind a key; a new one begins at zero.
fn number<T>(numbers: &Mutex<HashMap<Key, Arc<T>>>, key: &Key, new: impl FnOnce() -> T) -> Arc<T> {
    let mut numbers = lock(numbers);
    if let Some(number) = numbers.get(key) {
        return Arc::clone(number);
    }
    let number = Arc::new(new());
    numbers.insert(key.clone(), Arc::clone(&number));
    number
}

/// The labels in braces, with `le` last; nothing if there are none.
fn labels(key: &Key, le: Option<&str>) -> String {
    let escaped = |value: &str| {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        value.replace('\n', "\\n")
    };
    let of_key = key.labels().map(Label::clone).map(Label::into_parts);
    let of_key = of_key.map(|(name, value)| format!("{name}=\"{}\"", escaped(&value)));
    let le = le.map(|bound| format!("le=\"{bound}\""));
    let all: Vec<String> = of_key.chain(le).collect();
    match all.is_empty() {
        true => String::new(),
        false => format!("{{{}}}", all.join(",")),
    }
}

impl Buckets {
    fn new(bounds: &'static [f64]) -> Buckets {
        Buckets {
            bounds,
            state: Mutex::new(BucketCounts {
                within: vec![0; bounds.len()],
                all: 0,
                sum: 0.0,
            }),
        }
    }

    fn render(text: &mut String, key: &Key, buckets: &Buckets) {
        let name = key.name();
        let counts = lock(&buckets.state);
        let mut so_far = 0;
        for (bound, within) in buckets.bounds.iter().zip(&counts.within) {
            so_far += within;
            let labels = labels(key, Some(&bound.to_string()));
            let _ = writeln!(text, "{name}_bucket{labels} {so_far}");
        }
        let (without, with_end) = (labels(key, None), labels(key, Some("+Inf")));
        let BucketCounts { all, sum, .. } = &*counts;
        let _ = writeln!(text, "{name}_bucket{with_end} {all}");
        let _ = writeln!(text, "{name}_sum{without} {sum}");
        let _ = writeln!(text, "{name}_count{without} {all}");
    }
}

impl HistogramFn for Buckets {
    fn record(&self, value: f64) {
        let mut counts = lock(&self.state);
        let bucket = self.bounds.iter().position(|bound| value <= *bound);
        if let Some(within) = bucket.and_then(|bucket| counts.within.get_mut(bucket)) {
            *within += 1;
        }
        counts.all += 1;
        counts.sum += value;
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, description: SharedString) {
        self.describe(name, description);
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, description: SharedString) {
        self.describe(name, description);
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, description: SharedString) {
        self.describe(name, description);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        number(&self.numbers.counters, key, AtomicU64::default).into()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        number(&self.numbers.gauges, key, AtomicU64::default).into()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let bounds = self.numbers.buckets.get(key.name()).copied();
        let new = || Buckets::new(bounds.unwrap_or_default());
        number(&self.numbers.histograms, key, new).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics::{
        counter, describe_counter, describe_histogram, gauge, histogram, with_local_recorder,
    };

    /// The exporter of `metrics` itself gives the expected text, so that the two cannot differ.
    fn both(count: impl Fn()) -> (String, String) {
        let ours = Recorder::new(&[("b_seconds", &[0.25, 1.0, 60.0])]);
        with_local_recorder(&ours, &count);
        let usual = metrics_exporter_prometheus::PrometheusBuilder::new()
            .set_buckets_for_metric(
                metrics_exporter_prometheus::Matcher::Full("b_seconds".to_owned()),
                &[0.25, 1.0, 60.0],
            )
            .unwrap()
            .build_recorder();
        with_local_recorder(&usual, &count);
        let lines = |text: String| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines.join("\n")
        };
        (lines(ours.render()), lines(usual.handle().render()))
    }

    #[test]
    fn the_text_is_that_of_the_usual_exporter() {
        let (ours, usual) = both(|| {
            describe_counter!("a_total", "Rows, \\ of\ntwo lines");
            describe_histogram!("b_seconds", "Times");
            counter!("a_total", "source" => "github", "result" => "a \"quote\" \\ and\nline")
                .increment(2);
            counter!("a_total", "source" => "clickup", "result" => "ok").increment(1);
            counter!("a_total", "source" => "clickup", "result" => "ok").increment(1);
            gauge!("c").set(3.0);
            gauge!("c").increment(0.5);
            gauge!("d", "of" => "x").set(1_500.0);
            for seconds in [0.1, 0.25, 0.5, 1.0, 2.0, 100.0] {
                histogram!("b_seconds", "source" => "github").record(seconds);
            }
            histogram!("b_seconds").record(1.5);
        });
        assert_eq!(ours, usual);
    }

    #[test]
    fn names_come_in_order_with_their_type_once() {
        let recorder = Recorder::new(&[]);
        with_local_recorder(&recorder, || {
            counter!("b_total").increment(1);
            counter!("a_total", "of" => "y").increment(1);
            counter!("a_total", "of" => "x").increment(1);
        });
        let text = "# TYPE a_total counter\na_total{of=\"x\"} 1\na_total{of=\"y\"} 1\n\n\
                    # TYPE b_total counter\nb_total 1\n\n";
        assert_eq!(recorder.render(), text);
    }
}
