import { login, me } from "./api.js";
import { form, passwordField, themeButton, validEmail } from "./ui.js";

/** Where the person was going; only a path of this site. */
function destination() {
  const next = new URLSearchParams(location.search).get("next");
  const url = new URL(next || ".", location.href);
  return url.origin === location.origin ? url.href : new URL(".", location.href).href;
}

const node = document.querySelector("form");
passwordField(node.elements.password);
themeButton(document.getElementById("theme"));
form(node, {
  validate: ({ email, password }) => ({
    ...(validEmail(email) ? {} : { email: "Enter the email address of your account." }),
    ...(password ? {} : { password: "Enter your password." }),
  }),
  async submit({ email, password }) {
    await login({ email: email.trim(), password });
    location.assign(destination());
  },
});

// Somebody who is signed in already goes on; when that cannot be told, the form is there.
me().then((user) => user && location.replace(destination()), () => {});
