//! The growth of what a write costs, drawn as SVG.

use std::fmt::Write as _;

use crate::report::Report;

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 260.0;
/// Around a chart: left, top, right, bottom.
const MARGIN: (f64, f64, f64, f64) = (54.0, 34.0, 16.0, 40.0);
const COLUMN: &str = "CPU ms";
const COLOURS: [&str; 2] = ["#1f5f4a", "#b04a2f"];

/// One chart beside the other.
pub fn growth(ours: &Report, official: &Report) -> String {
    let charts = [
        ("CPU ms of a createRecord, by records of its repository", "createRecord beside "),
        ("CPU ms of a createRecord, by accounts of the server", "createRecord by each of "),
    ];
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {HEIGHT}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        2.0 * WIDTH
    );
    for (at, (title, begin)) in charts.into_iter().enumerate() {
        let _ = writeln!(svg, "<g transform=\"translate({} 0)\">", at as f64 * WIDTH);
        let lines = [("Freehold", ours), ("official", official)];
        let lines = lines.map(|(name, report)| (name, report.series(begin, COLUMN)));
        chart(&mut svg, title, &lines);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

/// Both axes by powers of ten.
fn chart(svg: &mut String, title: &str, lines: &[(&str, Vec<(f64, f64)>); 2]) {
    let (left, top, right, bottom) = MARGIN;
    let points = || lines.iter().flat_map(|(_, points)| points.iter());
    let span = |values: Vec<f64>| {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min).log10().floor();
        let most = values.iter().copied().fold(0.0_f64, f64::max).log10().ceil();
        (least, most.max(least + 1.0))
    };
    if points().next().is_none() {
        return;
    }
    let (x_min, x_max) = span(points().map(|point| point.0).collect());
    let (y_min, y_max) = span(points().map(|point| point.1.max(0.001)).collect());
    let x = |value: f64| left + (value.log10() - x_min) / (x_max - x_min) * (WIDTH - left - right);
    let y = |value: f64| {
        let part = (value.max(0.001).log10() - y_min) / (y_max - y_min);
        HEIGHT - bottom - part * (HEIGHT - top - bottom)
    };
    let _ = writeln!(svg, "<text x=\"{left}\" y=\"18\" font-weight=\"600\">{title}</text>");
    for power in x_min as i32..=x_max as i32 {
        let at = x(10_f64.powi(power));
        let _ = writeln!(
            svg,
            "<path d=\"M{at:.1} {top}V{}\" stroke=\"#ddd\"/><text x=\"{at:.1}\" y=\"{}\" \
             text-anchor=\"middle\">{}</text>",
            HEIGHT - bottom,
            HEIGHT - bottom + 16.0,
            10_f64.powi(power)
        );
    }
    for power in y_min as i32..=y_max as i32 {
        let at = y(10_f64.powi(power));
        let _ = writeln!(
            svg,
            "<path d=\"M{left} {at:.1}H{}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1}\" \
             text-anchor=\"end\">{}</text>",
            WIDTH - right,
            left - 6.0,
            at + 4.0,
            10_f64.powi(power)
        );
    }
    for ((name, points), colour) in lines.iter().zip(COLOURS) {
        let path: Vec<String> =
            points.iter().map(|point| format!("{:.1} {:.1}", x(point.0), y(point.1))).collect();
        if path.is_empty() {
            continue;
        }
        let path = path.join("L");
        let _ = writeln!(
            svg,
            "<path d=\"M{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
        );
        for point in points {
            let (x, y) = (x(point.0), y(point.1));
            let _ =
                writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
        if let Some(last) = points.last() {
            let (x, y) = (x(last.0) - 4.0, y(last.1) - 8.0);
            let _ = writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"end\" fill=\"{colour}\">{name}</text>"
            );
        }
    }
}
