// The input pictures: chosen, dropped or pasted, uploaded at once, and shown from copies that a reload keeps.
import { API, ask, blobOf, recall, remember, say } from './api.js';
import { complain } from './form.js';

const SHOWN = 768;  // pixels of a copy's longer side
const place = document.querySelector('[data-picture]');
const most = Number(place?.dataset.most);
let kept = [];

// The first picture, which decides the shape; without an address where there is none.
export const picture = { width: 0, height: 0, url: null };
export const wanted = () => Boolean(place);

async function copyOf(blob) {
  const image = await createImageBitmap(blob);
  const scale = Math.min(1, SHOWN / Math.max(image.width, image.height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(image.width * scale);
  canvas.height = Math.round(image.height * scale);
  canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL('image/jpeg', 0.85);
}

function line(one, at) {
  const row = place.querySelector('template').content.cloneNode(true).firstElementChild;
  const image = row.querySelector('img'), act = (name) => row.querySelector(`[data-${name}]`);
  image.src = one.url;
  image.alt = `Input picture ${at + 1}`;
  act('facts').textContent = `${one.width} × ${one.height}`;
  act('earlier').hidden = at === 0;
  act('earlier').addEventListener('click', () => show([one, ...kept.filter((other) => other !== one)]));
  act('remove').addEventListener('click', () => {
    show(kept.filter((other) => other !== one));
    document.getElementById('f-picture').focus();
  });
  return row;
}

function show(next) {
  for (const one of kept) if (!next.includes(one)) URL.revokeObjectURL(one.url);
  kept = next;
  for (const one of kept) one.url ??= URL.createObjectURL(blobOf(one.copy));
  const [first] = kept, ids = kept.map(({ id }) => id);
  Object.assign(picture, { width: first?.width ?? 0, height: first?.height ?? 0, url: first?.url ?? null });
  place.querySelector('[data-one]').value = ids.length === 1 ? ids[0] : '';
  const several = place.querySelector('[data-several]');
  if (several) several.value = ids.length > 1 ? JSON.stringify(ids) : '';
  place.querySelector('[data-pictures]').replaceChildren(...kept.map(line));
  const strength = document.querySelector('[data-field=prompt_strength]');
  if (strength) strength.hidden = !first;
  remember('pictures', kept.map(({ url, ...rest }) => rest));
  place.dispatchEvent(new CustomEvent('picture', { bubbles: true }));
  place.dispatchEvent(new Event('input', { bubbles: true }));
}

// A new picture takes the place of all others, or where several may be is one more.
export async function take(blob, instead = most === 1) {
  try {
    if (!instead && kept.length >= most) throw new Error(`At most ${most} pictures: remove one first.`);
    say('Uploading the picture');
    place.setAttribute('aria-busy', 'true');
    const file = await ask('POST', `${API}/files`, blob);
    const one = { id: file.fileId, width: file.width, height: file.height, until: file.expiresAt, copy: await copyOf(blob) };
    show(instead ? [one] : [...kept, one]);
    say('The picture is there');
  } catch (error) {
    complain(Object.assign(error, { field: place.dataset.picture }));
  } finally {
    place.removeAttribute('aria-busy');
  }
}

export function drop() {
  place.querySelector('input[type=file]').value = '';
  show([]);
}

async function takeAll(files) {
  for (const file of [...files ?? []].filter(({ type }) => type.startsWith('image/')).slice(0, most)) await take(file);
}

const hasPictures = (files) => [...files ?? []].some(({ type }) => type.startsWith('image/'));

if (place) {
  const zone = place.querySelector('.zone');
  place.querySelector('input[type=file]').addEventListener('change', ({ target }) => takeAll(target.files));
  addEventListener('dragover', (event) => {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    if (!zone.classList.contains('over')) say('Let go to use the picture');
    zone.classList.add('over');
  });
  addEventListener('dragleave', (event) => { if (!event.relatedTarget) zone.classList.remove('over'); });
  addEventListener('drop', (event) => {
    zone.classList.remove('over');
    if (!hasPictures(event.dataTransfer?.files)) return;
    event.preventDefault();
    takeAll(event.dataTransfer.files);
  });
  addEventListener('paste', (event) => takeAll(event.clipboardData?.files));
  show((recall('pictures') ?? []).filter(({ until }) => new Date(until) > new Date()));
}
