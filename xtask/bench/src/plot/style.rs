//! How each candidate is drawn: the same in all plots.

use plotters::style::RGBColor;

use crate::candidates::{FALLBACK, FLOOR, FLOOR_WITH_STATUS, OLD_DESIGN, PIDFD, SIGCHLD, TOKIO};

/// A colour and a mark, either of which would do alone.
#[derive(Clone, Copy)]
pub(super) struct Style {
    pub(super) color: RGBColor,
    pub(super) mark: Mark,
    /// Our own backends stand out.
    pub(super) width: u32,
    pub(super) line: Stroke,
}

#[derive(Clone, Copy)]
pub(super) enum Mark {
    Circle,
    Square,
    Diamond,
    Up,
    Down,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stroke {
    Solid,
    Dashed,
}

/// Colours that the colour-blind can tell apart, after Okabe and Ito.
const BLUE: RGBColor = RGBColor(0, 114, 178);
const GREEN: RGBColor = RGBColor(0, 158, 115);
const SKY: RGBColor = RGBColor(86, 180, 233);
const VERMILION: RGBColor = RGBColor(213, 94, 0);
const ORANGE: RGBColor = RGBColor(230, 159, 0);
const PURPLE: RGBColor = RGBColor(204, 121, 167);
const BLACK: RGBColor = RGBColor(0, 0, 0);
const GREY: RGBColor = RGBColor(120, 120, 120);

pub(super) fn of(candidate: &str) -> Style {
    let ours = |color, mark| Style {
        color,
        mark,
        width: 3,
        line: Stroke::Solid,
    };
    let other = |color, mark| Style {
        color,
        mark,
        width: 1,
        line: Stroke::Solid,
    };
    let floor = |color, mark| Style {
        color,
        mark,
        width: 1,
        line: Stroke::Dashed,
    };
    match candidate {
        PIDFD => ours(BLUE, Mark::Circle),
        SIGCHLD => ours(GREEN, Mark::Square),
        FALLBACK => ours(SKY, Mark::Diamond),
        TOKIO => other(VERMILION, Mark::Up),
        OLD_DESIGN => other(PURPLE, Mark::Down),
        FLOOR_WITH_STATUS => floor(BLACK, Mark::Diamond),
        name if name == FLOOR.name() => floor(GREY, Mark::Circle),
        _ => other(ORANGE, Mark::Square),
    }
}

impl Mark {
    /// Its corners, in pixels around the point that it marks.
    pub(super) fn corners(self) -> Vec<(i32, i32)> {
        match self {
            Mark::Circle => vec![
                (-5, -2),
                (-2, -5),
                (2, -5),
                (5, -2),
                (5, 2),
                (2, 5),
                (-2, 5),
                (-5, 2),
            ],
            Mark::Square => vec![(-4, -4), (4, -4), (4, 4), (-4, 4)],
            Mark::Diamond => vec![(0, -6), (6, 0), (0, 6), (-6, 0)],
            Mark::Up => vec![(0, -6), (6, 5), (-6, 5)],
            Mark::Down => vec![(0, 6), (6, -5), (-6, -5)],
        }
    }
}
