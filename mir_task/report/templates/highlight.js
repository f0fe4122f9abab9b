"use strict";
// One model is lit at a time, in every chart and in the leaderboard.
const report = JSON.parse(document.getElementById("report-data").textContent);

const highlight = {
  model: null,
  listeners: [],
  light(model) {
    if (model === this.model) return;
    this.model = model;
    document.documentElement.dataset.lit = model ?? "";
    for (const listener of this.listeners) listener(model);
  },
};
