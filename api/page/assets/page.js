// What the page does without asking the server: theme, copying the address, going elsewhere.
const minfleet = {
  theme() {
    const dark = !document.body.classList.contains("body--dark");
    localStorage.setItem("minfleet-theme", dark ? "dark" : "light");
    minfleet.useTheme();
  },

  useTheme() {
    const chosen = localStorage.getItem("minfleet-theme");
    if (chosen) Quasar.Dark.set(chosen === "dark");
  },

  async copyLink() {
    const url = location.href;
    try {
      await navigator.clipboard.writeText(url);
      Quasar.Notify.create({ message: "The link is copied.", position: "bottom", timeout: 2000 });
    } catch {
      prompt("Copy the link:", url); // the clipboard needs https, or this machine
    }
  },

  go(path) {
    location.href = path + location.search;
  },

  logOut() {
    const form = document.createElement("form");
    form.method = "post";
    form.action = "/logout";
    document.body.append(form);
    form.submit();
  },
};

// Quasar sets the theme when its application is mounted; a chosen one goes over it.
addEventListener("load", () => {
  const wait = setInterval(() => {
    if (!window.Quasar || !document.querySelector(".q-layout")) return;
    clearInterval(wait);
    minfleet.useTheme();
  }, 20);
});
