// The input picture: chosen, dropped or pasted, uploaded at once, and shown from a copy that a reload keeps.
import { API, ask, blobOf, forget, recall, remember, say } from './api.js';
import { complain } from './form.js';

const SHOWN = 768;  // pixels of the copy's longer side
const place = document.querySelector('[data-picture]');
const hidden = place?.querySelector('input[type=hidden]');
const picked = place?.querySelector('.picked');

export const picture = { id: null, width: 0, height: 0, url: null };
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

function show(kept) {
  if (picture.url) URL.revokeObjectURL(picture.url);
  Object.assign(picture, { id: null, width: 0, height: 0, url: null }, kept && {
    id: kept.id, width: kept.width, height: kept.height, url: URL.createObjectURL(blobOf(kept.copy)),
  });
  hidden.value = picture.id ?? '';
  picked.hidden = !kept;
  const strength = document.querySelector('[data-field=prompt_strength]');
  if (strength) strength.hidden = !kept;
  if (kept) {
    picked.querySelector('img').src = picture.url;
    picked.querySelector('[data-facts]').textContent = `${kept.width} × ${kept.height}`;
  }
  place.dispatchEvent(new CustomEvent('picture', { bubbles: true }));
  place.dispatchEvent(new Event('input', { bubbles: true }));
}

export async function take(blob) {
  try {
    say('Uploading the picture');
    place.setAttribute('aria-busy', 'true');
    const file = await ask('POST', `${API}/files`, blob);
    const kept = { id: file.fileId, width: file.width, height: file.height, until: file.expiresAt, copy: await copyOf(blob) };
    remember('picture', kept);
    show(kept);
    say('The picture is there');
  } catch (error) {
    complain(error.field ? error : Object.assign(error, { field: place.dataset.picture }));
  } finally {
    place.removeAttribute('aria-busy');
  }
}

export function drop() {
  if (!place) return;
  forget('picture');
  place.querySelector('input[type=file]').value = '';
  show(null);
}

const pictureIn = (items) => [...items ?? []].find((file) => file.type.startsWith('image/'));

if (place) {
  const zone = place.querySelector('.zone');
  place.querySelector('input[type=file]').addEventListener('change', ({ target }) => target.files[0] && take(target.files[0]));
  place.querySelector('[data-remove]').addEventListener('click', drop);
  addEventListener('dragover', (event) => {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    if (!zone.classList.contains('over')) say('Let go to use the picture');
    zone.classList.add('over');
  });
  addEventListener('dragleave', (event) => { if (!event.relatedTarget) zone.classList.remove('over'); });
  addEventListener('drop', (event) => {
    zone.classList.remove('over');
    const file = pictureIn(event.dataTransfer?.files);
    if (!file) return;
    event.preventDefault();
    take(file);
  });
  addEventListener('paste', (event) => {
    const file = pictureIn(event.clipboardData?.files);
    if (file) take(file);
  });
  const kept = recall('picture');
  show(kept && new Date(kept.until) > new Date() ? kept : null);
}
