// Asks before something is changed.

const dialog = document.getElementById('ask');
const yes = document.getElementById('ask-yes');
const choice = document.getElementById('ask-choice');
const select = document.getElementById('ask-select');

/**
 * Settles with null when the answer is no; with true, or with the choice that was made, when it is yes.
 * @param choices `[value, text]` pairs; absent: there is nothing to choose
 */
export function ask({ title, text, button, choices }) {
  document.getElementById('ask-title').textContent = title;
  document.getElementById('ask-text').textContent = text;
  yes.textContent = button;
  choice.hidden = choices === undefined;
  select.replaceChildren();
  for (const [value, label] of choices ?? []) select.add(new Option(label, value));
  dialog.returnValue = 'no';
  const { promise, resolve } = Promise.withResolvers();
  dialog.addEventListener(
    'close',
    () => resolve(dialog.returnValue !== 'yes' ? null : choices === undefined ? true : select.value),
    { once: true },
  );
  dialog.showModal();
  // What is safe is what Enter does.
  document.getElementById('ask-no').focus();
  return promise;
}
