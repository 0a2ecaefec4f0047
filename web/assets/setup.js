import { setup } from "./api.js";
import { strengthMeter } from "./password.js";
import { form, passwordField, themeButton, validEmail } from "./ui.js";

const node = document.querySelector("form");
const { token, name, email, password } = {
  token: node.elements.token,
  name: node.elements.namedItem("name"),
  email: node.elements.email,
  password: node.elements.password,
};

// The token leaves the address at once: addresses end up in histories and screenshots.
const given = new URLSearchParams(location.search).get("token");
if (given) {
  token.value = given;
  history.replaceState(null, "", location.pathname);
  name.focus();
}

passwordField(password);
strengthMeter(password, document.getElementById("strength"), document.getElementById("strength-words"),
  () => [name.value, email.value]);
themeButton(document.getElementById("theme"));

form(node, {
  validate: (values) => ({
    ...(values.token.trim() ? {} : { token: "Paste the token from the link that the server printed." }),
    ...(values.name.trim() ? {} : { name: "Enter your name." }),
    ...(validEmail(values.email.trim()) ? {} : { email: "Enter an email address, such as ada@example.org." }),
    ...(values.password ? {} : { password: "Choose a password." }),
  }),
  fieldOf: (error) => ["password", "email", "name", "token"].find((field) => error.message.includes(field)),
  async submit(values) {
    await setup({ token: values.token.trim(), name: values.name.trim(), email: values.email.trim(), password: values.password });
    location.assign(".");
  },
});
