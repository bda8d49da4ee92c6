"use strict";
// What the reader does: slices, window and level, volumes, keys. pixels.js stands before this file.
(() => {
  const byId = (id) => document.getElementById(id);
  const root = document.documentElement;
  root.classList.remove("no-script");
  byId("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });

  const data = JSON.parse(byId("viewer-data").textContent);
  if (!data.volumes.length) return;
  const WHOLE = { width: 1, level: 0.5, error: data.errorRange, risk: 1 };
  const state = { volume: null, row: 0, loading: 0, blink: false, ...WHOLE };
  const directions = [...new Set(data.volumes.map((volume) => volume.direction))];
  const viewer = byId("viewer");

  async function load(volume) {
    const ticket = ++state.loading;
    viewer.setAttribute("aria-busy", "true");
    const stacks = await Promise.all(volume.layers.map((layer) => inflate(byId("stack-" + layer.stack).textContent, data.levels)));
    if (ticket !== state.loading) return;
    // The same place of the head, when another volume with as many slices was shown before.
    const share = state.volume ? (state.row + 0.5) / state.volume.slices : 0.5;
    state.volume = volume;
    state.row = Math.floor(share * volume.slices);
    state.of = Object.fromEntries(volume.layers.map((layer, i) => [layer.kind, stacks[i]]));
    buildPanels(volume);
    byId("slice").max = volume.slices;
    byId("outline-label").hidden = !state.of.lesion;
    byId("ticks").replaceChildren(...Object.keys(volume.marks).map((row) => {
      const tick = document.createElement("i");
      tick.style.left = 100 * (volume.slices > 1 ? row / (volume.slices - 1) : 0.5) + "%";
      return tick;
    }));
    draw();
    viewer.removeAttribute("aria-busy");
    viewer.dataset.ready = ticket;
  }

  function buildPanels(volume) {
    const panels = volume.layers.filter((layer) => layer.kind !== "lesion");
    if (state.of.synthetic && state.of.real && !state.of.error) {
      const after = panels.findIndex((layer) => layer.kind === "real") + 1;
      panels.splice(after, 0, { kind: "error", heading: "Error: synthetic − real" });
    }
    byId("panels").replaceChildren(...panels.map((layer) => {
      const figure = document.createElement("figure");
      const caption = document.createElement("figcaption");
      caption.textContent = layer.heading;
      const frame = document.createElement("div");
      frame.className = "frame";
      const canvas = document.createElement("canvas");
      Object.assign(canvas, { width: volume.width, height: volume.height, tabIndex: 0 });
      canvas.dataset.kind = layer.kind;
      canvas.setAttribute("role", "img");
      canvas.dataset.heading = layer.heading;
      const cross = document.createElement("i");
      cross.className = "cross";
      frame.append(canvas, cross);
      figure.append(caption, frame, colourBar(data.colours[layer.kind]));
      listen(canvas);
      return figure;
    }));
  }

  const isMap = (kind) => kind in data.colours;

  function valueAt(kind, i) {
    return kind === "error" && !state.of.error ? state.of.synthetic[i] - state.of.real[i] : state.of[kind][i];
  }

  function paint(canvas, row) {
    const { width, height } = state.volume;
    const size = width * height;
    const kind = state.blink && canvas.dataset.kind === "synthetic" && state.of.real ? "real" : canvas.dataset.kind;
    const image = new ImageData(width, height);
    const low = state.level - state.width / 2;
    for (let i = 0; i < size; i++) {
      const value = valueAt(kind, row * size + i);
      if (isMap(kind)) {
        const part = kind === "error" ? value / state.error / 2 + 0.5 : value / state.risk;
        const index = 3 * Math.max(0, Math.min(255, Math.round(part * 255)));
        const table = data.colours[kind];
        for (let c = 0; c < 3; c++) image.data[4 * i + c] = table[index + c];
      } else {
        image.data.fill(255 * (value - low) / state.width, 4 * i, 4 * i + 3);
      }
      image.data[4 * i + 3] = 255;
    }
    if (state.of.lesion && byId("outline").checked) {
      drawOutline(image, state.of.lesion.subarray(row * size, (row + 1) * size));
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
    const name = kind === "real" && canvas.dataset.kind === "synthetic" ? "Real, in its place" : canvas.dataset.heading;
    canvas.closest("figure").querySelector("figcaption").textContent = name;
    canvas.setAttribute("aria-label", name + ", slice " + (row + 1) + " of " + state.volume.slices);
  }

  function draw() {
    const { volume, row } = state;
    for (const canvas of byId("panels").querySelectorAll(".frame canvas")) {
      const kind = canvas.dataset.kind;
      paint(canvas, row);
      canvas.closest("figure").querySelectorAll(".scale span").forEach((end, i) => {
        const signs = kind === "error" ? ["darker −", "brighter +"] : ["", ""];
        end.textContent = signs[i] + (i || kind === "error" ? state[kind].toFixed(2) : "0");
      });
    }
    byId("slice").value = row + 1;
    const thinned = volume.rows[row] !== row + 1 ? " (number " + volume.rows[row] + " in its series)" : "";
    byId("slice-text").textContent = row + 1 + " of " + volume.slices + thinned;
    byId("slice").setAttribute("aria-valuetext", byId("slice-text").textContent);
    byId("window-text").textContent = "window " + state.width.toFixed(2) + ", level " + state.level.toFixed(2);
    const mark = volume.marks[row];
    byId("mark").textContent = mark ? "Marked slice: " + mark : "";
  }

  const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

  function moveSlice(to) {
    state.row = clamp(to, 0, state.volume.slices - 1);
    draw();
  }

  function changeWindow(widthBy, levelBy, kind) {
    if (isMap(kind)) {
      state[kind] = clamp(state[kind] * (1 - levelBy + widthBy), 0.01, 1);
    } else {
      state.width = clamp(state.width + widthBy, 0.01, 2);
      state.level = clamp(state.level + levelBy, 0, 1);
    }
    draw();
  }

  function moveVolume(by) {
    const list = byId("volume");
    list.selectedIndex = clamp(list.selectedIndex + by, 0, list.length - 1);
    list.dispatchEvent(new Event("change"));
  }

  function listen(canvas) {
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      canvas.focus();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (canvas.hasPointerCapture(event.pointerId)) {
        const side = canvas.getBoundingClientRect().width;
        changeWindow(event.movementX / side, -event.movementY / side, canvas.dataset.kind);
      }
      point(canvas, event);
    });
    canvas.addEventListener("pointerleave", () => {
      viewer.classList.remove("pointing");
      byId("readout").textContent = "";
    });
    canvas.addEventListener("dblclick", reset);
    canvas.addEventListener("wheel", (event) => {
      if (!viewer.contains(document.activeElement) || event.ctrlKey) return;
      event.preventDefault();
      moveSlice(state.row + Math.sign(event.deltaY));
    }, { passive: false });
  }

  function point(canvas, event) {
    const box = canvas.getBoundingClientRect();
    const { width, height } = state.volume;
    const x = clamp(Math.floor((event.clientX - box.left) / box.width * width), 0, width - 1);
    const y = clamp(Math.floor((event.clientY - box.top) / box.height * height), 0, height - 1);
    viewer.classList.add("pointing");
    const parts = [];
    for (const other of byId("panels").querySelectorAll(".frame canvas")) {
      const cross = other.nextSibling;
      cross.style.left = 100 * (x + 0.5) / width + "%";
      cross.style.top = 100 * (y + 0.5) / height + "%";
      const value = valueAt(other.dataset.kind, state.row * width * height + y * width + x);
      parts.push(other.dataset.heading.replace("Error: synthetic − real", "error") + " " + value.toFixed(3));
    }
    byId("readout").textContent = "x " + x + ", y " + y + ": " + parts.join(" · ");
  }

  function reset() {
    Object.assign(state, WHOLE);
    draw();
  }

  function choose(keepName) {
    const shown = data.volumes.filter((volume) => volume.direction === directions[byId("direction").selectedIndex]);
    byId("volume").replaceChildren(...shown.map((volume) => new Option(volume.name)));
    byId("volume").selectedIndex = Math.max(0, shown.findIndex((volume) => volume.name === keepName));
    return shown;
  }

  byId("direction").append(...directions.map((direction) => new Option(direction)));
  byId("direction-label").hidden = directions.length < 2;
  let shown = choose();
  byId("direction").addEventListener("change", () => {
    shown = choose(state.volume.name);
    load(shown[byId("volume").selectedIndex]);
  });
  byId("volume").addEventListener("change", () => load(shown[byId("volume").selectedIndex]));
  byId("slice").addEventListener("input", (event) => moveSlice(event.target.value - 1));
  byId("outline").addEventListener("change", draw);
  byId("reset").addEventListener("click", reset);

  const KEYS = {
    ArrowLeft: () => moveSlice(state.row - 1), ArrowRight: () => moveSlice(state.row + 1),
    ArrowUp: () => moveSlice(state.row + 1), ArrowDown: () => moveSlice(state.row - 1),
    Home: () => moveSlice(0), End: () => moveSlice(state.volume.slices - 1),
    PageUp: () => moveVolume(-1), PageDown: () => moveVolume(1), r: reset, b: () => blink(true),
  };
  const WITH_SHIFT = {
    ArrowLeft: [-0.05, 0], ArrowRight: [0.05, 0], ArrowUp: [0, 0.05], ArrowDown: [0, -0.05],
  };

  function blink(on) {
    if (state.blink === on) return;
    state.blink = on;
    draw();
  }

  // Keys act in the viewer and where nothing has the focus, but a list keeps its own.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT" || !state.volume) return;
    if (event.target !== document.body && !viewer.contains(event.target)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.shiftKey && WITH_SHIFT[key]) changeWindow(...WITH_SHIFT[key], event.target.dataset.kind);
    else if (KEYS[key]) KEYS[key]();
    else return;
    event.preventDefault();
  });
  document.addEventListener("keyup", (event) => event.key.toLowerCase() === "b" && blink(false));
  window.addEventListener("blur", () => blink(false));

  load(shown[0]);
})();
