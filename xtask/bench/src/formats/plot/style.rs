//! The style of each candidate, which is the same in all plots.

use plotters::style::RGBColor;

use crate::candidates::names::{
    FALLBACK, FLOOR, FLOOR_WITH_STATUS, OLD_DESIGN, PIDFD, PIDFD_DRIVEN, SIGCHLD, SIGCHLD_BLOCKED,
    SIGCHLD_DRIVEN, TOKIO,
};

/// A colour and a mark, each of which identifies the candidate.
#[derive(Clone, Copy)]
pub(super) struct Style {
    pub(super) color: RGBColor,
    pub(super) mark: Mark,
    /// From the middle of a mark to its corners, in pixels.
    pub(super) radius: i32,
    /// The width of the line.
    pub(super) width: u32,
    pub(super) stroke: Stroke,
    /// Higher layers are drawn over lower ones, and must not cover them: the two floors lie
    /// close together, and pidfd and fallback do too.
    pub(super) layer: u8,
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
const GREY: RGBColor = RGBColor(165, 165, 165);

pub(super) fn of(candidate: &str) -> Style {
    let other = |color, mark| Style {
        color,
        mark,
        radius: 6,
        width: 1,
        stroke: Stroke::Solid,
        layer: 2,
    };
    // Our own backends stand out.
    let ours = |color, mark, layer| Style {
        width: 3,
        layer,
        ..other(color, mark)
    };
    match candidate {
        PIDFD => ours(BLUE, Mark::Circle, 5),
        SIGCHLD => ours(GREEN, Mark::Square, 4),
        SIGCHLD_BLOCKED => Style {
            stroke: Stroke::Dashed,
            ..other(GREEN, Mark::Diamond)
        },
        FALLBACK => Style {
            radius: 9,
            width: 7,
            ..ours(SKY, Mark::Diamond, 3)
        },
        PIDFD_DRIVEN => Style {
            stroke: Stroke::Dashed,
            ..other(BLUE, Mark::Up)
        },
        SIGCHLD_DRIVEN => Style {
            stroke: Stroke::Dashed,
            ..other(GREEN, Mark::Down)
        },
        TOKIO => other(VERMILION, Mark::Up),
        OLD_DESIGN => other(PURPLE, Mark::Down),
        FLOOR_WITH_STATUS => Style {
            stroke: Stroke::Dashed,
            radius: 5,
            layer: 1,
            ..other(BLACK, Mark::Diamond)
        },
        FLOOR => Style {
            radius: 7,
            width: 2,
            layer: 0,
            ..other(GREY, Mark::Circle)
        },
        _ => other(ORANGE, Mark::Square),
    }
}

impl Mark {
    /// Its corners around the point that it marks.
    pub(super) fn corners(self, radius: i32) -> Vec<(i32, i32)> {
        let (most, some) = (radius * 9 / 10, radius * 2 / 5);
        let side = radius * 3 / 4;
        match self {
            Mark::Circle => vec![
                (-most, -some),
                (-some, -most),
                (some, -most),
                (most, -some),
                (most, some),
                (some, most),
                (-some, most),
                (-most, some),
            ],
            Mark::Square => vec![(-side, -side), (side, -side), (side, side), (-side, side)],
            Mark::Diamond => vec![(0, -radius), (radius, 0), (0, radius), (-radius, 0)],
            Mark::Up => vec![(0, -radius), (radius, side), (-radius, side)],
            Mark::Down => vec![(0, radius), (radius, -side), (-radius, -side)],
        }
    }
}
