// A form whose session has ended: its member signs in on the page, and the form goes on as it is.

const LOGIN = "/login";

/** Whether somebody has to sign in before a form is sent; a network that fails is told by the sending. */
export async function sessionHasEnded() {
  try {
    const answer = await fetch(LOGIN, { redirect: "manual", headers: { Accept: "text/html" } });
    return answer.ok;
  } catch {
    return false;
  }
}

/**
 * Ask for a sign-in in a dialog. Resolves to true when the member who opened the form is back. When another
 * one signs in the page is left, and nothing of it is carried over; when nobody does, it stays as it is.
 * @param {HTMLFormElement} form
 * @returns {Promise<boolean>}
 */
export async function signInInPlace(form) {
  /** @type {HTMLInputElement} */
  const token = form.querySelector("input[name=csrf_token]");
  const page = await fetch(LOGIN, { headers: { Accept: "text/html" } });
  if (page.redirected) return true; // in another tab, meanwhile
  const dialog = document.createElement("dialog");
  dialog.className = "dialog stack";
  dialog.setAttribute("aria-labelledby", "sign-in-title");
  document.body.append(dialog);
  return new Promise((resolve) => {
    let isBack = false;
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(isBack);
    });
    const back = (/** @type {string} */ renewed) => {
      isBack = true;
      token.value = renewed;
      dialog.close();
    };
    show(dialog, parsed(page.text()), token.value, new URL(form.action).pathname, back);
    dialog.showModal();
  });
}

/** @param {Promise<string>} html */
async function parsed(html) {
  return new DOMParser().parseFromString(await html, "text/html");
}

/**
 * @param {HTMLDialogElement} dialog
 * @param {Promise<Document>} answered
 * @param {string} token
 * @param {string} action
 * @param {(token: string) => void} back
 */
async function show(dialog, answered, token, action, back) {
  const page = await answered;
  const form = page.querySelector("form[data-sign-in]");
  if (!form) {
    location.assign("/");
    return;
  }
  const signIn = /** @type {HTMLFormElement} */ (document.importNode(form, true));
  const title = document.createElement("h2");
  title.id = "sign-in-title";
  title.textContent = "Sign in to go on";
  const words = document.createElement("p");
  words.textContent = "Your session has ended. Nothing is lost: sign in, and the form is sent as it is.";
  const refused = page.querySelector("[role=alert]");
  dialog.replaceChildren(title, refused ? document.importNode(refused, true) : words, signIn);
  for (const [name, value] of Object.entries({ form_token: token, form_action: action })) {
    signIn.querySelector(`input[name=${name}]`)?.remove();
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name, value });
    signIn.append(field);
  }
  const cancel = document.createElement("button");
  Object.assign(cancel, { type: "button", className: "button button--quiet", textContent: "Not now" });
  cancel.addEventListener("click", () => dialog.close());
  signIn.querySelector(".form__actions").append(cancel);
  signIn.querySelector("input[name=email]").focus();
  signIn.addEventListener("submit", async (event) => {
    event.preventDefault();
    event.stopPropagation();
    let answer;
    try {
      answer = await fetch(LOGIN, {
        method: "POST",
        body: new FormData(signIn),
        headers: { Accept: "text/html" },
      });
    } catch {
      words.textContent = "The portal can't be reached. Check the network, then sign in again.";
      dialog.replaceChildren(title, words, signIn);
      return;
    }
    const next = parsed(answer.text());
    /** @type {HTMLInputElement} */
    const renewed = (await next).querySelector("[data-go-on] input[name=csrf_token]");
    if (renewed) back(renewed.value);
    else show(dialog, next, token, action, back);
  });
}
