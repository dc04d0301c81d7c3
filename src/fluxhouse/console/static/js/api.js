// Our own API for who is signed in. A refusal is thrown as an `Error` with `code`, `field` and the status.
const play = document.getElementById('play');

export const MODEL = play?.dataset.model;
export const API = '/console/api/v1';

export async function ask(method, path, body, headers = {}) {
  const raw = body === undefined || body instanceof Blob;
  const answer = await fetch(path, {
    method,
    body: raw ? body : JSON.stringify(body),
    headers: {
      ...(method === 'GET' ? {} : { 'X-Form-Token': play.dataset.token }),
      ...(body === undefined ? {} : { 'Content-Type': raw ? 'application/octet-stream' : 'application/json' }),
      ...headers,
    },
  });
  const told = await answer.json().catch(() => ({}));
  if (answer.ok) return told;
  if (answer.status === 401) location.assign(`/sign-in?next=${encodeURIComponent(location.pathname)}`);
  const { code, message, field } = told.error ?? {};
  throw Object.assign(new Error(message ?? `The server answered ${answer.status}.`), { code, field, status: answer.status });
}

// Outputs are asked for at the host that the page came from, by whatever name that is.
export const local = (address) => { const url = new URL(address, location.href); return url.pathname + url.search; };

export function unguessable() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function blobOf(dataUrl) {
  const [head, text] = dataUrl.split(',');
  return new Blob([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], { type: /data:([^;]*)/.exec(head)[1] });
}

export const remember = (name, value) => {
  try { localStorage.setItem(`fluxhouse:${name}:${MODEL}`, JSON.stringify(value)); } catch { /* full, or private */ }
};
export const recall = (name) => {
  try { return JSON.parse(localStorage.getItem(`fluxhouse:${name}:${MODEL}`)); } catch { return null; }
};
export const forget = (name) => { try { localStorage.removeItem(`fluxhouse:${name}:${MODEL}`); } catch { /* private */ } };

export const say = (text) => { document.getElementById('live').textContent = text; };
