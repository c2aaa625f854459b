//! What is only looked at when somebody asks: the sandbox's pool, the copies that renders read, plugins, the process.

use std::sync::Arc;

use opentelemetry::{
    KeyValue,
    metrics::{AsyncInstrument, Meter},
};
use px0_core::cache::Kind;
use px0_render_wasm::{PoolStats, Sandbox};

use super::Telemetry;
use crate::{App, connections::Connections};

impl Telemetry {
    /// Tells of `app` and `sandbox` from now on, whenever somebody asks.
    pub(crate) fn observe(&self, app: &App, sandbox: &Arc<Sandbox>) {
        let meter = self.metrics().meter();
        pool(meter, sandbox);
        cache(meter, app);
        plugins(meter, app);
        connections(meter, app);
        #[cfg(target_os = "linux")]
        process::observe(meter);
    }
}

fn pool(meter: &Meter, sandbox: &Arc<Sandbox>) {
    let gauge =
        |name: &'static str, unit: &'static str, what: &'static str, read: fn(PoolStats) -> u64| {
            let sandbox = sandbox.clone();
            let callback = move |observer: &dyn AsyncInstrument<u64>| {
                observer.observe(read(sandbox.stats().pool), &[]);
            };
            meter
                .u64_observable_gauge(name)
                .with_unit(unit)
                .with_description(what)
                .with_callback(callback)
                .build();
        };
    gauge("px0.pool.instances", "{instance}", "Warm instances that wait for a render.", |pool| {
        pool.instances as u64
    });
    gauge("px0.pool.memory", "By", "Memory of warm instances.", |pool| pool.memory as u64);
    let counter =
        |name: &'static str, unit: &'static str, what: &'static str, read: fn(PoolStats) -> u64| {
            let sandbox = sandbox.clone();
            let callback = move |observer: &dyn AsyncInstrument<u64>| {
                observer.observe(read(sandbox.stats().pool), &[]);
            };
            meter
                .u64_observable_counter(name)
                .with_unit(unit)
                .with_description(what)
                .with_callback(callback)
                .build();
        };
    counter("px0.pool.hits", "{render}", "Renders that found a warm instance.", |pool| pool.hits);
    counter("px0.pool.misses", "{render}", "Renders that had to make an instance.", |pool| {
        pool.misses
    });
    counter(
        "px0.pool.evictions",
        "{instance}",
        "Warm instances that made room for others.",
        |pool| pool.evictions,
    );
}

fn cache(meter: &Meter, app: &App) {
    let counter = |name: &'static str, what: &'static str, read: fn((u64, u64)) -> u64| {
        let cache = app.px0.cache().clone();
        let callback = move |observer: &dyn AsyncInstrument<u64>| {
            for kind in Kind::ALL {
                observer.observe(read(cache.looks(kind)), &[KeyValue::new("cache", kind.as_str())]);
            }
        };
        meter
            .u64_observable_counter(name)
            .with_unit("{look}")
            .with_description(what)
            .with_callback(callback)
            .build();
    };
    counter(
        "px0.cache.hits",
        "Reads of the render path that were answered from memory.",
        |(hits, _)| hits,
    );
    counter(
        "px0.cache.misses",
        "Reads of the render path that went to the store.",
        |(_, misses)| misses,
    );
}

fn plugins(meter: &Meter, app: &App) {
    let app = app.clone();
    let callback = move |observer: &dyn AsyncInstrument<u64>| {
        let benched = app.px0.plugins().benched();
        for installed in app.px0.plugins().installed() {
            let count = benched.iter().find(|benched| benched.plugin == installed.id);
            let count = count.map_or(0, |benched| benched.organizations as u64);
            observer.observe(count, &[KeyValue::new("plugin", installed.id.to_string())]);
        }
    };
    meter
        .u64_observable_gauge("px0.plugin.benched")
        .with_unit("{organization}")
        .with_description(
            "Organizations for which a plugin is benched, after failing again and again.",
        )
        .with_callback(callback)
        .build();
}

fn connections(meter: &Meter, app: &App) {
    let open = app.connections.clone();
    meter
        .u64_observable_gauge("px0.connections.open")
        .with_unit("{connection}")
        .with_description("Connections that are open.")
        .with_callback(move |observer| observer.observe(open.open(), &[]))
        .build();
    let counter = |name: &'static str, what: &'static str, read: fn(&Connections) -> u64| {
        let connections = app.connections.clone();
        let callback =
            move |observer: &dyn AsyncInstrument<u64>| observer.observe(read(&connections), &[]);
        let counter = meter.u64_observable_counter(name).with_unit("{connection}");
        counter.with_description(what).with_callback(callback).build();
    };
    counter(
        "px0.connections.refused",
        "Connections that were refused, because there were too many.",
        Connections::refused,
    );
    counter(
        "px0.connections.evicted",
        "Idle connections that were closed to make room for others.",
        Connections::evicted,
    );
}

/// The process, by the conventions (<https://opentelemetry.io/docs/specs/semconv/system/process-metrics/>), but for two names: they end
/// in `count` there, which Prometheus keeps for histograms.
#[cfg(target_os = "linux")]
mod process {
    use std::time::Instant;

    use opentelemetry::{
        KeyValue,
        metrics::{AsyncInstrument, Meter},
    };
    use procfs::process::{Process, Stat};

    /// What a counter or a gauge reads of `/proc`.
    type Read = fn(&Stat) -> u64;

    fn stat() -> Option<Stat> {
        Process::myself().ok()?.stat().ok()
    }

    pub(super) fn observe(meter: &Meter) {
        let seconds = |ticks: u64| ticks as f64 / procfs::ticks_per_second() as f64;
        let cpu = move |observer: &dyn AsyncInstrument<f64>| {
            if let Some(stat) = stat() {
                observer.observe(seconds(stat.utime), &[KeyValue::new("cpu.mode", "user")]);
                observer.observe(seconds(stat.stime), &[KeyValue::new("cpu.mode", "system")]);
            }
        };
        meter
            .f64_observable_counter("process.cpu.time")
            .with_unit("s")
            .with_description("Time that the process has run.")
            .with_callback(cpu)
            .build();
        let gauges: [(_, _, _, Read); 3] = [
            ("process.memory.usage", "By", "Physical memory in use.", |stat| {
                stat.rss * procfs::page_size()
            }),
            ("process.memory.virtual", "By", "Virtual memory.", |stat| stat.vsize),
            ("process.threads", "{thread}", "Threads.", |stat| {
                u64::try_from(stat.num_threads).unwrap_or_default()
            }),
        ];
        for (name, unit, what, read) in gauges {
            let callback = move |observer: &dyn AsyncInstrument<u64>| {
                if let Some(stat) = stat() {
                    observer.observe(read(&stat), &[]);
                }
            };
            let gauge = meter.u64_observable_gauge(name).with_unit(unit).with_description(what);
            gauge.with_callback(callback).build();
        }
        let files = |observer: &dyn AsyncInstrument<u64>| {
            if let Some(count) = Process::myself().ok().and_then(|me| me.fd_count().ok()) {
                observer.observe(count as u64, &[]);
            }
        };
        meter
            .u64_observable_gauge("process.open_file_descriptors")
            .with_unit("{file_descriptor}")
            .with_description("Open file descriptors.")
            .with_callback(files)
            .build();
        let begun = Instant::now();
        let uptime = move |observer: &dyn AsyncInstrument<f64>| {
            observer.observe(begun.elapsed().as_secs_f64(), &[]);
        };
        meter
            .f64_observable_gauge("process.uptime")
            .with_unit("s")
            .with_description("For how long the process has been running.")
            .with_callback(uptime)
            .build();
    }
}
