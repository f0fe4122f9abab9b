// Draws a chart when it comes into view, and again when its score, the colours or the lit model change.
const CROWD = 150; // points, which are drawn smaller then
const drawn = new Map();
Chart.defaults.font.family = css("--sans");

// What a name must not lie over: points, and the bars of their errors.
function obstaclesOf(chart) {
  const { scales } = chart;
  return chart.data.datasets.flatMap((dataset, index) => !chart.isDatasetVisible(index) ? [] :
    chart.getDatasetMeta(index).data.flatMap(({ x, y, options }, place) => {
      if (options.radius === 0) return []; // of a line or a band
      const { across, up, ringed } = dataset.data[place];
      const half = ringed ? 10 : 5;
      const boxes = [{ left: x - half, right: x + half, top: y - half, bottom: y + half }];
      if (across) boxes.push({ left: scales.x.getPixelForValue(across[0]), right: scales.x.getPixelForValue(across[1]), top: y - 1, bottom: y + 1 });
      if (up) boxes.push({ left: x - 1, right: x + 1, top: scales.y.getPixelForValue(up[1]), bottom: scales.y.getPixelForValue(up[0]) });
      return boxes;
    }));
}

// Names beside points, where there are few; one that finds no free side is left to the pointer.
function writeNames(chart) {
  const { ctx, chartArea } = chart;
  const taken = obstaclesOf(chart);
  ctx.font = `11px ${css("--sans")}`;
  ctx.fillStyle = css("--ink");
  ctx.strokeStyle = css("--paper");
  ctx.lineWidth = 2.5;
  ctx.lineJoin = "round";
  ctx.textBaseline = "middle";
  const isFree = (box) => box.left >= chartArea.left && box.right <= chartArea.right && box.top >= chartArea.top && box.bottom <= chartArea.bottom
    && !taken.some((other) => box.left < other.right && other.left < box.right && box.top < other.bottom && other.top < box.bottom);
  chart.data.datasets.forEach((dataset, index) => {
    chart.getDatasetMeta(index).data.forEach(({ x, y }, place) => {
      const name = chart.source.names[dataset.data[place].model];
      if (name === undefined) return;
      const wide = ctx.measureText(name).width;
      const sides = [[x + 12, y], [x - 12 - wide, y], [x + 4, y - 15], [x - 4 - wide, y - 15], [x + 4, y + 15], [x - 4 - wide, y + 15], [x - wide / 2, y - 18], [x - wide / 2, y + 18]];
      const boxes = sides.map(([left, middle]) => ({ left, right: left + wide, top: middle - 6, bottom: middle + 6, middle }));
      const box = boxes.find(isFree);
      if (box === undefined) return;
      taken.push(box);
      ctx.strokeText(name, box.left, box.middle);
      ctx.fillText(name, box.left, box.middle);
    });
  });
}

const marks = {
  id: "marks",
  beforeDatasetsDraw(chart) {
    const { ctx, chartArea, scales } = chart;
    ctx.save();
    ctx.strokeStyle = css("--hairline");
    for (const [direction, place] of chart.source.guides ?? []) {
      const at = scales[direction].getPixelForValue(place);
      ctx.beginPath();
      if (direction === "x") { ctx.moveTo(at, chartArea.top); ctx.lineTo(at, chartArea.bottom); }
      else { ctx.moveTo(chartArea.left, at); ctx.lineTo(chartArea.right, at); }
      ctx.stroke();
    }
    ctx.restore();
  },
  afterDatasetsDraw(chart) {
    const { ctx, chartArea, scales } = chart;
    ctx.save();
    ctx.beginPath();
    ctx.rect(chartArea.left, chartArea.top, chartArea.width, chartArea.height);
    ctx.clip();
    chart.data.datasets.forEach((dataset, index) => {
      if (!chart.isDatasetVisible(index)) return;
      chart.getDatasetMeta(index).data.forEach((element, place) => {
        const point = dataset.data[place];
        ctx.strokeStyle = element.options.borderColor;
        ctx.lineWidth = 1.2;
        ctx.beginPath();
        if (point.across) {
          ctx.moveTo(scales.x.getPixelForValue(point.across[0]), element.y);
          ctx.lineTo(scales.x.getPixelForValue(point.across[1]), element.y);
        }
        if (point.up) {
          ctx.moveTo(element.x, scales.y.getPixelForValue(point.up[0]));
          ctx.lineTo(element.x, scales.y.getPixelForValue(point.up[1]));
        }
        ctx.stroke();
        if (point.ringed) {
          ctx.strokeStyle = css("--ink");
          ctx.lineWidth = 2;
          ctx.beginPath();
          ctx.arc(element.x, element.y, 9, 0, 2 * Math.PI);
          ctx.stroke();
        }
      });
    });
    if (chart.source.names) writeNames(chart);
    ctx.restore();
  },
};

function configOf(data, width) {
  const reach = reachOf(data);
  const crowded = data.series.reduce((sum, { points }) => sum + points.length, 0) > CROWD && !data.y.rows;
  return {
    type: "scatter",
    data: { datasets: [...(data.bands ?? []).flatMap(datasetsOf), ...data.series.map((series) => datasetOf(series, crowded ? 0.65 : 1))] },
    options: {
      animation: false,
      maintainAspectRatio: false,
      interaction: { mode: "nearest", intersect: true },
      onHover: (_, elements, chart) => {
        const [first] = elements;
        highlight.light(first ? chart.data.datasets[first.datasetIndex].data[first.index].model : null);
      },
      scales: { x: { ...scaleOf(data.x), ...reach.x }, y: { ...scaleOf(data.y), ...reach.y } },
      plugins: {
        title: { display: true, text: ending(data.title, width), align: "start", color: css("--ink"), padding: { bottom: 6 } },
        legend: {
          display: Boolean(data.legend),
          position: "bottom",
          align: "start",
          labels: {
            usePointStyle: true,
            boxHeight: 8,
            boxWidth: 18,
            generateLabels: legendOf,
          },
        },
        tooltip: tooltipOf(data),
      },
    },
    plugins: [marks],
  };
}

function sourceOf(name) {
  const data = report.charts[name];
  const score = document.getElementById("score")?.value;
  return (score && data.variants?.[score]) || (score && data.variants ? null : data);
}

function draw(figure) {
  const name = figure.dataset.chart;
  const data = sourceOf(name);
  drawn.get(name)?.destroy();
  drawn.delete(name);
  figure.classList.toggle("without", data === null);
  if (data === null) return;
  const box = figure.querySelector(".live");
  figure.classList.add("drawn");
  const rows = data.y.rows?.length;
  const high = rows ? 100 + 22 * (data.y.row ?? 1) * rows : figure.classList.contains("wide") ? 350 : 300;
  box.style.height = `${high}px`;
  figure.querySelector("figcaption").firstChild.textContent = data.caption;
  const canvas = box.querySelector("canvas");
  const config = configOf(data, box.clientWidth);
  const chart = new Chart(canvas, { ...config, plugins: [{ id: "source", beforeInit: (made) => { made.source = data; } }, ...config.plugins] });
  // The legend's height is known only now; it comes on top of the axes'.
  if (data.legend) {
    box.style.height = `${Math.ceil(high + chart.legend.height)}px`;
    chart.resize();
  }
  drawn.set(name, chart);
}

const inView = new Set();
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) inView.add(target.dataset.chart);
    else inView.delete(target.dataset.chart);
    if (isIntersecting && !drawn.has(target.dataset.chart) && !target.classList.contains("without")) draw(target);
    else if (isIntersecting) drawn.get(target.dataset.chart)?.update("none");
  }
}, { rootMargin: "300px" });

const figures = [...document.querySelectorAll("figure[data-chart]")];
document.documentElement.classList.add("scripted");
for (const figure of figures) watcher.observe(figure);

// A chart that comes into view later is updated then.
highlight.listeners.push(() => { for (const name of inView) drawn.get(name)?.update("none"); });

function drawAgain() {
  for (const figure of figures) if (drawn.has(figure.dataset.chart) || figure.classList.contains("without")) draw(figure);
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAgain);
document.getElementById("score")?.addEventListener("change", () => {
  for (const figure of figures) if (report.charts[figure.dataset.chart].variants) draw(figure);
});
