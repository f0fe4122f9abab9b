// From a chart as data to the options of Chart.js; colours are those of the page, in light and in dark.
const SHAPES = [
  { pointStyle: "circle", size: 4.5 },
  { pointStyle: "rect", size: 5.5 },
  { pointStyle: "triangle", size: 5.5 },
  { pointStyle: "rectRot", size: 5.5 },
  { pointStyle: "triangle", size: 5.5, rotation: 180 },
  { pointStyle: "cross", size: 6 },
];
const DASHES = { solid: [], dashed: [6, 4], dotted: [2, 3] };
const COLOURS = 6;

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const paintOf = (paint) => css(paint === undefined ? "--muted" : `--series-${paint % COLOURS}`);
const shown = (number) => String(Number(Number(number).toPrecision(4))).replace("-", "\u2212");
// The end of a name, which tells checkpoints apart more often than its start, in so many pixels of small type.
const ending = (text, pixels) => {
  const longest = Math.max(8, Math.floor(pixels / 7));
  return text.length <= longest ? text : `…${text.slice(1 - longest)}`;
};
const faded = (colour, opacity) => colour + Math.round(255 * opacity).toString(16).padStart(2, "0");

function datasetOf(series, size) {
  const colour = series.quiet ? css("--hairline") : paintOf(series.paint);
  const shape = series.marker === undefined ? null : SHAPES[series.marker];
  const modelAt = (index) => series.model ?? series.points[index]?.[2] ?? null;
  const state = (index) => {
    const model = modelAt(index);
    return highlight.model === null || model === null ? "plain" : model === highlight.model ? "lit" : "faint";
  };
  const painted = (context) => (state(context.dataIndex ?? 0) === "faint" ? faded(colour, 0.25) : colour);
  const line = (context) => {
    const lit = series.model !== undefined && state(0) === "lit";
    return lit ? (series.quiet ? css("--ink") : colour) : painted(context);
  };
  return {
    label: series.label ?? "",
    data: series.points.map(([x, y, model, across, up, ringed]) => ({ x, y, model: series.model ?? model ?? null, across, up, ringed })),
    showLine: series.line !== undefined,
    borderDash: DASHES[series.line] ?? [],
    borderColor: series.line && series.model !== undefined ? line : painted,
    borderWidth: () => (series.model !== undefined && state(0) === "lit" ? 3 : series.quiet ? 0.8 : 1.6),
    backgroundColor: series.hollow ? "transparent" : painted,
    pointBorderColor: painted,
    pointBorderWidth: !shape || series.hollow || shape.pointStyle === "cross" ? 2 : 0,
    pointStyle: shape ? shape.pointStyle : "line",
    pointRotation: shape?.rotation ?? 0,
    pointRadius: (context) => (shape ? size * shape.size * (state(context.dataIndex) === "lit" ? 1.7 : 1) : 0),
    pointHoverRadius: shape ? shape.size * 1.7 : series.model === undefined ? 0 : 4,
    pointHitRadius: shape || series.model !== undefined ? 8 : 0,
    order: series.quiet ? 2 : 1,
    inLegend: Boolean(series.label) && !series.quiet && { colour, hollow: series.hollow },
  };
}

function datasetsOf(band) {
  const edge = (which) => ({
    label: which === 2 ? band.label ?? "" : "",
    data: band.points.map((point) => ({ x: point[0], y: point[which], model: null })),
    showLine: true,
    borderWidth: 0,
    pointRadius: 0,
    pointHitRadius: 0,
    pointHoverRadius: 0,
    order: 3,
  });
  const colour = faded(paintOf(band.paint), band.opacity);
  return [edge(1), { ...edge(2), fill: "-1", backgroundColor: colour, pointStyle: "rect", inLegend: Boolean(band.label) && { colour } }];
}

function scaleOf(axis) {
  const ticks = { color: css("--muted"), maxRotation: 0, includeBounds: false };
  if (axis.rows) {
    Object.assign(ticks, { stepSize: 1, autoSkip: false, color: css("--ink") });
    ticks.callback = function (place) { return ending(axis.rows[place] ?? "", Math.min(182, this.chart.width * 0.4)); };
  } else if (axis.shares) {
    ticks.callback = (share) => `${Math.round(100 * share)}%`;
  } else if (axis.log) {
    const compact = new Intl.NumberFormat("en", { notation: "compact" });
    const named = (value) => [1, 2, 5].includes(Number((value / 10 ** Math.floor(Math.log10(value) + 1e-9)).toPrecision(6)));
    Object.assign(ticks, { autoSkip: false, callback: (value) => (named(value) ? compact.format(value) : null) });
  } else {
    Object.assign(ticks, axis.whole ? { precision: 0 } : {});
    ticks.callback = (place) => shown(place);
  }
  const everyRow = (scale) => { scale.ticks = axis.rows.map((_, value) => ({ value })); };
  const limits = axis.rows
    ? { min: -0.6, max: axis.rows.length - 0.4, reverse: true, afterBuildTicks: everyRow }
    : { min: axis.low, max: axis.high, grace: axis.low === undefined ? "6%" : 0 };
  return {
    type: axis.log ? "logarithmic" : "linear",
    title: { display: Boolean(axis.label), text: axis.label, color: css("--ink") },
    grid: { display: false },
    border: { color: css("--muted"), display: !axis.rows },
    ticks,
    ...limits,
  };
}

// Without the colours that the lit model changes.
function legendOf(chart) {
  return chart.data.datasets.flatMap((dataset, datasetIndex) => (dataset.inLegend ? [{
    text: ending(dataset.label, chart.width - 40),
    datasetIndex,
    fontColor: css("--ink"),
    fillStyle: dataset.inLegend.hollow ? "transparent" : dataset.inLegend.colour,
    strokeStyle: dataset.inLegend.colour,
    lineWidth: dataset.pointBorderWidth ?? 0,
    lineDash: dataset.borderDash ?? [],
    pointStyle: dataset.pointStyle,
    rotation: dataset.pointRotation ?? 0,
    hidden: !chart.isDatasetVisible(datasetIndex),
  }] : []));
}

// Ends of the bars, which Chart.js does not know of.
function reachOf(data) {
  const points = data.series.flatMap((series) => series.points);
  const ends = (index) => points.flatMap((point) => point[index] ?? []);
  const limits = (index) => (ends(index).length ? { suggestedMin: Math.min(...ends(index)), suggestedMax: Math.max(...ends(index)) } : {});
  return { x: limits(3), y: limits(4) };
}

function tooltipOf(data) {
  const place = (axis, value) => (axis.rows ? axis.rows[Math.round(value)] : axis.shares ? `${Math.round(100 * value)}%` : shown(value));
  const named = (axis) => (axis.label || "row").replace(/ \(.* is better\)$/, "");
  const bar = (ends) => (ends ? ` [${shown(ends[0])}, ${shown(ends[1])}]` : "");
  return {
    displayColors: false,
    backgroundColor: css("--ink"),
    titleColor: css("--paper"),
    bodyColor: css("--paper"),
    caretPadding: 10,
    // On the side where there is room, and never over the point.
    yAlign: ({ chart, tooltipItems }) => (tooltipItems?.[0]?.element.y < chart.height / 2 ? "top" : "bottom"),
    callbacks: {
      title: ([item]) => (item.raw.model === null ? item.dataset.label : report.models[item.raw.model]),
      label: ({ raw, dataset }) => [
        ...(raw.model !== null && dataset.label && dataset.label !== report.models[raw.model] ? [dataset.label] : []),
        `${named(data.x)}: ${place(data.x, raw.x)}${bar(raw.across)}`,
        data.y.rows ? (raw.model === null ? data.y.rows[Math.round(raw.y)] : "") : `${named(data.y)}: ${place(data.y, raw.y)}${bar(raw.up)}`,
        ...(raw.ringed ? ["recommended"] : []),
      ].filter(Boolean),
    },
  };
}
