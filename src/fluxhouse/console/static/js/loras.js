// The LoRAs of a request: rows of a name and a strength, in the parameters that this model has for them.
import { API, ask } from './api.js';

const place = document.querySelector('[data-loras]');
const rows = place?.querySelector('[data-rows]');
const triggers = new Map();

function add(name = '', scale = Number(place.dataset.default)) {
  const row = place.querySelector('template').content.cloneNode(true).firstElementChild;
  const number = row.querySelector('[data-scale]'), range = row.querySelector('[data-strength]');
  const named = row.querySelector('[data-name]');
  named.value = name;
  named.addEventListener('input', () => advise(row));
  row.querySelector('[data-say]').addEventListener('click', () => {
    const prompt = document.getElementById('prompt');
    prompt.value = [prompt.value.trim(), triggers.get(named.value)].filter(Boolean).join(', ');
    changed();
    prompt.focus();
  });
  number.value = range.value = scale;
  range.addEventListener('input', () => { number.value = range.value; });
  number.addEventListener('input', () => { range.value = number.value; });
  row.querySelector('[data-remove]').addEventListener('click', () => {
    row.remove();
    changed();
    place.querySelector('[data-more]').focus();
  });
  rows.append(row);
  advise(row);
  changed();
  return row;
}

// What its file says that a prompt needs for it.
function advise(row) {
  const words = triggers.get(row.querySelector('[data-name]').value), place = row.querySelector('[data-advice]');
  place.hidden = !words;
  place.querySelector('q').textContent = words ?? '';
}

function changed() {
  place.querySelector('[data-more]').hidden = rows.children.length >= Number(place.dataset.most);
  place.dispatchEvent(new Event('input', { bubbles: true }));
}

export function readLoras() {
  const found = [...rows?.children ?? []].map((row) => ({
    name: row.querySelector('[data-name]').value.trim(),
    scale: Number(row.querySelector('[data-scale]').value || place.dataset.default),
  })).filter(({ name }) => name);
  if (!found.length) return {};
  const { loras, scales, most } = place.dataset;
  if (most === '1') return { [loras]: found[0].name, [scales]: found[0].scale };
  return { [loras]: found.map(({ name }) => name), [scales]: found.map(({ scale }) => scale) };
}

export function writeLoras(body) {
  if (!place) return;
  rows.replaceChildren();
  const names = [body[place.dataset.loras] ?? []].flat(), scales = [body[place.dataset.scales] ?? []].flat();
  names.forEach((name, at) => add(name, scales[at]));
}

async function offer() {
  const { loras } = await ask('GET', `${API}/loras`).catch(() => ({ loras: [] }));
  document.getElementById('lora-names').replaceChildren(...loras.map(({ loraId, name }) => {
    const option = document.createElement('option');
    option.value = loraId;
    option.label = name;
    return option;
  }));
  for (const { loraId, trigger } of loras) if (trigger) triggers.set(loraId, trigger);
  [...rows.children].forEach(advise);
}

if (place) {
  place.querySelector('[data-more]').addEventListener('click', () => add().querySelector('[data-name]').focus());
  offer();
}
