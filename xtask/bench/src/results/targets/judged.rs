//! [`Judged`]: a target, and what a run says of it.

use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct Judged {
    pub(crate) target: String,
    /// The measured values, by the number of children.
    pub(crate) measured: String,
    /// The ratios to the floor that asks for the status.
    pub(crate) beside_status: String,
    pub(crate) verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    Met,
    Missed,
    NotMeasured,
}

/// The text below a table of targets.
pub(crate) const HOW_JUDGED: &str = "\
A ratio is the median of the rounds' own ratios. In brackets is the 95 % confidence interval of the
true median, by the ranks of the rounds. It is exact for any distribution, and needs six rounds. A
bound is judged by the median itself. In a race, a figure is slower if its whole interval lies on the
slow side. If only its median does, it is \"within the noise\". Of 40 figures that are as fast as the
rival's, about one is called slower by chance.";

/// The heads of a table of targets.
pub(crate) const HEADS: [&str; 4] = ["target", "measured", "beside floor+status", "verdict"];

impl Judged {
    pub(crate) fn cells(&self) -> [&str; HEADS.len()] {
        let Judged {
            target,
            measured,
            beside_status,
            verdict,
        } = self;
        [target, measured, beside_status, verdict.text()]
    }
}

impl Verdict {
    fn text(self) -> &'static str {
        match self {
            Verdict::Met => "met",
            Verdict::Missed => "missed",
            Verdict::NotMeasured => "not measured",
        }
    }
}
