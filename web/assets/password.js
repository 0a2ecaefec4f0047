// A hint on how strong a password is, and why. The server decides what it takes.

const COMMON = ["password", "passwort", "windlass", "admin", "qwert", "letmein", "welcome", "secret", "login",
  "12345", "abcde", "iloveyou", "dragon", "monkey", "summer", "winter"];

/** Guesses it takes, as a power of ten, and one sentence that tells why. */
export function estimate(password, known = []) {
  const lower = password.toLowerCase();
  const words = [...COMMON, ...known.flatMap((text) => text.toLowerCase().split(/[^a-z0-9]+/)).filter((w) => w.length > 3)];
  const found = words.filter((word) => lower.includes(word));
  const rest = found.reduce((text, word) => text.replace(word, ""), lower);
  const distinct = new Set(rest).size;
  const kinds = [/[a-z]/, /[A-Z]/, /[0-9]/, /[^A-Za-z0-9]/].filter((kind) => kind.test(password)).length;
  // Each new character counts fully, each repeated one a little; a known word counts like two letters.
  const power = distinct * (0.9 + 0.2 * kinds) + (rest.length - distinct) * 0.3 + found.length * 2;

  if (found.length > 0) return { power, why: `“${found[0]}” is easy to guess; use something else.` };
  if (password.length < 12) return { power, why: "Longer is stronger: four unrelated words make a good password." };
  if (distinct < 8) return { power, why: "Many characters repeat." };
  return { power, why: power >= 20 ? "Hard to guess." : "A few more characters make it hard to guess." };
}

const WORDS = ["Very weak", "Weak", "Fair", "Good", "Strong"];

/** Keeps a <meter> and its words in step with a password field; `known()` gives name and email. */
export function strengthMeter(input, meter, words, known) {
  const update = () => {
    if (!input.value) {
      meter.value = 0;
      words.textContent = "A few unrelated words are strong and easy to remember.";
      return;
    }
    const { power, why } = estimate(input.value, known());
    const level = Math.min(4, Math.floor(power / 5));
    meter.value = level + 1;
    words.textContent = `${WORDS[level]}. ${why}`;
  };
  input.addEventListener("input", update);
  update();
}
