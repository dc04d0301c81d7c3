// The form as a request body and back; a control that was left alone is not in the body.
import { readLoras, writeLoras } from './loras.js';

export const form = document.getElementById('ask');

function valueOf(field) {
  if (field.type === 'checkbox') return field.checked || undefined;
  if (field.type === 'radio') return field.checked && field.value ? field.value : undefined;
  const text = field.dataset.type === 'number' ? field.value.trim() : field.value;
  if (text.trim() === '') return undefined;
  if (field.dataset.type === 'list') return JSON.parse(text);
  return field.dataset.type === 'number' ? Number(text) : text;
}

export function read() {
  const body = {};
  for (const field of form.querySelectorAll('[name]')) {
    const value = valueOf(field);
    if (value !== undefined) body[field.name] = value;
  }
  if (body.aspect_ratio !== 'custom') { delete body.width; delete body.height; }
  if (!form.querySelector('#seed-lock')?.checked) delete body.seed;
  if (!body.input_image) delete body.prompt_strength;
  return { ...body, ...readLoras() };
}

export function write(given) {
  const body = given.width ? { aspect_ratio: 'custom', ...given } : given;
  for (const field of form.querySelectorAll('[name]')) {
    if (field.closest('.drop, .mask')) continue;
    const value = body[field.name];
    if (field.type === 'radio') field.checked = field.value === (value ?? firstRatio());
    else if (field.type === 'checkbox') field.checked = value === true;
    else if (value !== undefined) field.value = value;
    else if (field.name !== 'width' && field.name !== 'height') field.value = '';
  }
  const lock = form.querySelector('#seed-lock');
  if (lock) lock.checked = body.seed !== undefined;
  const rest = form.querySelector('.more');
  rest.open ||= [...rest.querySelectorAll('[name]')].some((field) => valueOf(field) !== undefined);
  writeLoras(body);
  form.querySelectorAll('[data-slides]').forEach(toSlider);
  showCustom();
}

const firstRatio = () => form.querySelector('[name=aspect_ratio][value=""]') ? '' : '1:1';

function toSlider(range) {
  const number = document.getElementById(range.dataset.slides);
  range.value = number.value || number.placeholder;
}

function showCustom() {
  const custom = form.querySelector('.custom');
  if (custom) custom.hidden = form.querySelector('[name=aspect_ratio]:checked')?.value !== 'custom';
}

function swap() {
  const chosen = form.querySelector('[name=aspect_ratio]:checked');
  if (chosen?.value === 'custom') {
    const { width, height } = form.elements;
    [width.value, height.value] = [height.value, width.value];
    return;
  }
  const turned = chosen?.value.split(':').reverse().join(':');
  const other = turned && form.querySelector(`[name=aspect_ratio][value="${turned}"]`);
  if (other) other.checked = true;
}

// Where something is wrong: said on top and at its field, what was typed stays.
export function complain(error) {
  calm();
  const place = document.getElementById('complaint');
  place.textContent = error.message;
  place.hidden = false;
  const field = error.field && form.querySelector(`[data-field="${CSS.escape(error.field)}"]`);
  field?.querySelector('input:not([type=hidden]), textarea, select')?.setAttribute('aria-invalid', 'true');
  if (field?.closest('details')) field.closest('details').open = true;
  place.focus();
}

export function calm() {
  document.getElementById('complaint').hidden = true;
  form.querySelectorAll('[aria-invalid]').forEach((field) => field.removeAttribute('aria-invalid'));
}

form.addEventListener('input', ({ target }) => {
  if (target === form) return;
  const number = target.dataset.slides && document.getElementById(target.dataset.slides);
  if (number) number.value = target.value;
  const range = target.id && form.querySelector(`[data-slides="${target.id}"]`);
  if (range) toSlider(range);
  if ('seed' in target.dataset) form.querySelector('#seed-lock').checked = target.value !== '';
  showCustom();
});
form.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) { event.preventDefault(); form.requestSubmit(); }
});
form.querySelector('[data-swap]').addEventListener('click', () => {
  swap();
  form.dispatchEvent(new Event('input'));
});
