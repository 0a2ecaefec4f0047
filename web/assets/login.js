import { login, me } from "./api.js";
import { form, passwordField, themeButton, validEmail } from "./ui.js";

/** Where the person was going; only a path of this site. */
function destination() {
  const home = new URL(".", location.href);
  const url = new URL(new URLSearchParams(location.search).get("next") ?? "", home);
  return url.origin === home.origin ? url.href : home.href;
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
