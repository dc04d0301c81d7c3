// The mask of a fill: painted over the picture as strokes that can be taken back, or as areas by numbers.
import { API, ask } from './api.js';
import { picture } from './drop.js';

const LONGEST = 1024;  // pixels of the canvas; the server fits a mask to its picture
const place = document.querySelector('[data-mask]');
const canvas = place?.querySelector('canvas');
const context = canvas?.getContext('2d');
const uploaded = place?.querySelector('[name=mask]');
let strokes = [], undone = [];

function draw() {
  context.globalCompositeOperation = 'source-over';
  context.clearRect(0, 0, canvas.width, canvas.height);
  for (const stroke of strokes) DRAWN[stroke.kind](stroke);
}

const DRAWN = {
  line({ points, size, erase }) {
    context.globalCompositeOperation = erase ? 'destination-out' : 'source-over';
    context.lineWidth = size * canvas.width;
    context.lineCap = context.lineJoin = 'round';
    context.beginPath();
    // A line from the first point to itself is the dot that one press makes.
    for (const [x, y] of [points[0], ...points]) context.lineTo(x * canvas.width, y * canvas.height);
    context.stroke();
  },
  area({ left, top, width, height }) {
    context.globalCompositeOperation = 'source-over';
    context.fillRect(left * canvas.width, top * canvas.height, width * canvas.width, height * canvas.height);
  },
  invert() {
    context.globalCompositeOperation = 'source-out';
    context.fillRect(0, 0, canvas.width, canvas.height);
  },
};

function change(next, after = []) {
  strokes = next;
  undone = after;
  uploaded.value = '';
  draw();
}

function begin() {
  place.hidden = !picture.url;
  if (!picture.url) return;
  const scale = Math.min(1, LONGEST / Math.max(picture.width, picture.height));
  canvas.width = Math.round(picture.width * scale);
  canvas.height = Math.round(picture.height * scale);
  context.fillStyle = context.strokeStyle = getComputedStyle(canvas).color;
  place.querySelector('.easel img').src = picture.url;
  change([]);
}

const at = (event) => {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
};

function paint(down) {
  if (down.button > 0) return;
  canvas.setPointerCapture(down.pointerId);
  const erase = place.querySelector('[data-erase]').checked || (down.buttons & 32) !== 0;
  const stroke = { kind: 'line', points: [at(down)], size: Number(document.getElementById('brush').value) / 100, erase };
  change([...strokes, stroke]);
  const move = (event) => {
    for (const one of event.getCoalescedEvents?.() ?? [event]) stroke.points.push(at(one));
    draw();
  };
  canvas.addEventListener('pointermove', move);
  canvas.addEventListener('lostpointercapture', () => canvas.removeEventListener('pointermove', move), { once: true });
}

function undo() { if (strokes.length) change(strokes.slice(0, -1), [strokes.at(-1), ...undone]); }
function redo() { if (undone.length) change([...strokes, undone[0]], undone.slice(1)); }

function addArea() {
  const [left, top, width, height] = [...place.querySelectorAll('[data-area]')].map((field) => Number(field.value) / 100);
  change([...strokes, { kind: 'area', left, top, width, height }]);
}

// White where it shall be repainted, black elsewhere; its id, or nothing where no mask is asked for or painted.
export async function maskId() {
  if (!place || !picture.url || !strokes.length) return undefined;
  if (uploaded.value) return uploaded.value;
  const sent = new OffscreenCanvas(canvas.width, canvas.height), pen = sent.getContext('2d');
  pen.drawImage(canvas, 0, 0);
  pen.globalCompositeOperation = 'source-in';
  pen.fillStyle = '#fff';
  pen.fillRect(0, 0, sent.width, sent.height);
  pen.globalCompositeOperation = 'destination-over';
  pen.fillStyle = '#000';
  pen.fillRect(0, 0, sent.width, sent.height);
  uploaded.value = (await ask('POST', `${API}/files`, await sent.convertToBlob({ type: 'image/png' }))).fileId;
  return uploaded.value;
}

if (place) {
  addEventListener('picture', begin);
  canvas.addEventListener('pointerdown', paint);
  const buttons = { undo, redo, invert: () => change([...strokes, { kind: 'invert' }]), clear: () => change([]), add: addArea };
  for (const [name, act] of Object.entries(buttons)) place.querySelector(`[data-${name}]`).addEventListener('click', act);
  const brush = document.getElementById('brush');
  brush.addEventListener('input', () => brush.setAttribute('aria-valuetext', `${brush.value} percent of the width`));
  canvas.addEventListener('keydown', (event) => {
    const by = { '[': -2, ']': 2 }[event.key];
    if (by) { brush.value = Number(brush.value) + by; brush.dispatchEvent(new Event('input')); }
    if (event.key === 'z' && (event.ctrlKey || event.metaKey)) { event.preventDefault(); (event.shiftKey ? redo : undo)(); }
  });
  begin();
}
