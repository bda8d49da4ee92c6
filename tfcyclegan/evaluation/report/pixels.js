"use strict";
// From text to grey levels, and what is drawn over or under an image. It knows nothing of the page.

// Base64 of deflated bytes, all high bytes before all low bytes, to values in unit range.
async function inflate(text, levels) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const inflated = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const planes = new Uint8Array(await new Response(inflated).arrayBuffer());
  const count = planes.length / 2;
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = (planes[i] * 256 + planes[count + i]) / levels;
  return values;
}

// The pixels around a mask, in green; those of the mask itself stay visible.
function drawOutline(image, mask) {
  const { width, height } = image;
  const inside = (x, y) => x >= 0 && y >= 0 && x < width && y < height && mask[y * width + x] > 0.5;
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
    if (!inside(x, y) && (inside(x - 1, y) || inside(x + 1, y) || inside(x, y - 1) || inside(x, y + 1))) {
      image.data.set([80, 230, 120, 255], 4 * (y * width + x));
    }
  }
}

// A bar of 256 colours, flat RGB, between two empty texts; an empty element without colours.
function colourBar(colours) {
  const element = document.createElement("div");
  element.className = "scale";
  if (!colours) return element;
  const bar = document.createElement("canvas");
  Object.assign(bar, { width: 256, height: 1 });
  const image = new ImageData(256, 1);
  for (let i = 0; i < 256; i++) image.data.set([...colours.slice(3 * i, 3 * i + 3), 255], 4 * i);
  bar.getContext("2d").putImageData(image, 0, 0);
  element.append(document.createElement("span"), bar, document.createElement("span"));
  return element;
}
