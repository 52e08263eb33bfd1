//! [`Figure`]: a number that the report shows, and its [`Unit`].

/// A quantile of a series.
#[derive(Debug)]
pub(crate) struct Figure {
    /// A word for JSON and plots.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) series: &'static str,
    pub(crate) quantile: f64,
    pub(crate) unit: Unit,
}

impl Figure {
    /// The median of the series of the same name.
    pub(crate) const fn median(name: &'static str, title: &'static str, unit: Unit) -> Self {
        Figure::quantile(name, title, name, 0.5, unit)
    }

    /// The median of a series of seconds, in microseconds.
    pub(crate) const fn microseconds(name: &'static str, title: &'static str) -> Self {
        Figure::median(name, title, Unit::Microseconds)
    }

    /// The median of a series of seconds, in milliseconds.
    pub(crate) const fn milliseconds(name: &'static str, title: &'static str) -> Self {
        Figure::median(name, title, Unit::Milliseconds)
    }

    /// The median of a series of counts.
    pub(crate) const fn count(name: &'static str, title: &'static str) -> Self {
        Figure::median(name, title, Unit::Count)
    }

    /// A quantile of a series.
    pub(crate) const fn quantile(
        name: &'static str,
        title: &'static str,
        series: &'static str,
        quantile: f64,
        unit: Unit,
    ) -> Self {
        Figure {
            name,
            title,
            series,
            quantile,
            unit,
        }
    }
}

/// What a figure counts, and how it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Measured in seconds, like milliseconds.
    Microseconds,
    Milliseconds,
    Bytes,
    /// More is better.
    PerSecond,
    WakeUpsPerSecond,
    /// Measured as a share of one core.
    PercentOfACore,
    /// A number that is not compared.
    Count,
}

impl Unit {
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Unit::Microseconds => "µs",
            Unit::Milliseconds => "ms",
            Unit::Bytes => "B",
            Unit::PerSecond | Unit::WakeUpsPerSecond => "/s",
            Unit::PercentOfACore => "%",
            Unit::Count => "",
        }
    }

    /// The name of the unit on an axis.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Unit::Microseconds => "microseconds",
            Unit::Milliseconds => "milliseconds",
            Unit::Bytes => "bytes",
            Unit::PerSecond | Unit::WakeUpsPerSecond => "a second",
            Unit::PercentOfACore => "per cent of a core",
            Unit::Count => "",
        }
    }

    /// Converts a measured value to this unit.
    pub(crate) fn scale(self, value: f64) -> f64 {
        match self {
            Unit::Microseconds => value * 1e6,
            Unit::Milliseconds => value * 1e3,
            Unit::PercentOfACore => value * 100.0,
            Unit::Bytes | Unit::PerSecond | Unit::WakeUpsPerSecond | Unit::Count => value,
        }
    }

    /// Returns `true` if a ratio to the floor has a meaning.
    pub(crate) fn is_comparable(self) -> bool {
        self != Unit::Count
    }

    /// Returns which of two values is the faster, or `None` if the unit does not measure
    /// speed.
    pub(crate) fn faster(self) -> Option<Faster> {
        match self {
            Unit::Microseconds | Unit::Milliseconds => Some(Faster::Less),
            Unit::PerSecond => Some(Faster::More),
            Unit::Bytes | Unit::WakeUpsPerSecond | Unit::PercentOfACore | Unit::Count => None,
        }
    }
}

/// Which of two values belongs to the faster candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Faster {
    Less,
    More,
}

impl Faster {
    /// Returns `true` if this many times a rival's value is slower than the rival, in the two
    /// digits that are shown.
    pub(crate) fn is_slower(self, times: f64) -> bool {
        let percent = (times * 100.0).round();
        match self {
            Faster::Less => percent > 100.0,
            Faster::More => percent < 100.0,
        }
    }
}
