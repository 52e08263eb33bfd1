//! [`Chart`]: curves over a number of children, with a legend beside them.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::*;

use super::axis::{Axis, position};
use super::style::{self, Stroke, Style};

/// The contents of one plot.
pub(super) struct Chart<'a> {
    pub(super) title: &'a str,
    pub(super) unit: &'a str,
    /// The label of the horizontal axis.
    pub(super) children: &'a str,
    pub(super) sizes: Vec<usize>,
    pub(super) curves: Vec<Curve>,
}

/// One candidate's medians, by the number of children.
pub(super) struct Curve {
    pub(super) candidate: &'static str,
    pub(super) points: Vec<(usize, f64)>,
}

const PIXELS: (u32, u32) = (860, 480);
const PLOT_PIXELS: u32 = 700;
/// The dashes and gaps of a dashed line, in pixels.
const DASH: u32 = 7;
const GAP: u32 = 5;
const FONT: &str = "sans-serif";
const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(225, 225, 225);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawing<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Axis, Axis>>;

impl Chart<'_> {
    pub(super) fn draw(&self, file: &Path) -> Result<(), Box<dyn Error>> {
        let area = SVGBackend::new(file, PIXELS).into_drawing_area();
        area.fill(&WHITE)?;
        let title = Text::new(self.title, (20, 14), (FONT, 20).into_font().color(&INK));
        area.draw(&title)?;
        let (plot, legend) = area.split_horizontally(PLOT_PIXELS);
        self.draw_curves(&plot)?;
        self.draw_legend(&legend)?;
        area.present()?;
        Ok(())
    }

    fn draw_curves(&self, area: &Area<'_>) -> Result<(), Box<dyn Error>> {
        let values = self.curves.iter().flat_map(|curve| &curve.points);
        let values = values.map(|(_, value)| *value);
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .margin_top(40)
            .x_label_area_size(48)
            .y_label_area_size(72)
            .build_cartesian_2d(Axis::of_sizes(&self.sizes), Axis::of_values(values))?;
        self.draw_axes(&mut chart)?;
        let mut curves: Vec<_> = self.curves.iter().collect();
        curves.sort_by_key(|curve| style::of(curve.candidate).layer);
        for curve in curves {
            let style = style::of(curve.candidate);
            let at = |(size, value): &(usize, f64)| (position(*size, &self.sizes), value.log10());
            let points: Vec<_> = curve.points.iter().map(at).collect();
            let stroke = style.color.stroke_width(style.width);
            let line = points.iter().copied();
            match style.stroke {
                Stroke::Solid => chart.draw_series(LineSeries::new(line, stroke))?,
                Stroke::Dashed => {
                    chart.draw_series(DashedLineSeries::new(line, DASH, GAP, stroke))?
                }
            };
            for at in points {
                // The pixel is one of the whole picture, whose left part is the area.
                area.draw(&mark(chart.backend_coord(&at), style))?;
            }
        }
        Ok(())
    }

    fn draw_axes(&self, chart: &mut Drawing<'_, '_>) -> Result<(), Box<dyn Error>> {
        let font = (FONT, 14).into_font().color(&INK);
        chart
            .configure_mesh()
            .x_desc(self.children)
            .y_desc(self.unit)
            .bold_line_style(GRID)
            .light_line_style(WHITE)
            .axis_style(INK)
            .label_style(font.clone())
            .axis_desc_style(font)
            .draw()?;
        Ok(())
    }

    /// The candidates from top to bottom, as their curves end on the right.
    fn draw_legend(&self, area: &Area<'_>) -> Result<(), Box<dyn Error>> {
        const TOP: i32 = 60;
        const LINE: i32 = 26;
        let last = |curve: &Curve| curve.points.last().map_or(0.0, |(_, value)| *value);
        let mut curves: Vec<_> = self.curves.iter().collect();
        curves.sort_by(|one, other| last(other).total_cmp(&last(one)));
        let mut y = TOP;
        for curve in curves {
            let style = style::of(curve.candidate);
            let stroke = style.color.stroke_width(style.width);
            let line = vec![(0, y), (34, y)];
            match style.stroke {
                Stroke::Solid => area.draw(&PathElement::new(line, stroke))?,
                Stroke::Dashed => area.draw(&DashedPathElement::new(line, DASH, GAP, stroke))?,
            }
            area.draw(&mark((17, y), style))?;
            let font = (FONT, 14).into_font().color(&INK);
            area.draw(&Text::new(curve.candidate, (42, y - 6), font))?;
            y += LINE;
        }
        Ok(())
    }
}

/// A candidate's mark at a pixel.
fn mark((x, y): (i32, i32), style: Style) -> Polygon<(i32, i32)> {
    let corners = style.mark.corners(style.radius).into_iter();
    let corners: Vec<_> = corners.map(|(right, down)| (x + right, y + down)).collect();
    Polygon::new(corners, style.color.filled())
}
