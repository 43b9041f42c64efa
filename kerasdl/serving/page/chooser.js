// The models and versions that the server lists, and the one that was chosen.

export class Chooser {
  // changed: called when another model or version is to be asked.
  constructor(models, versions, changed) {
    this.models = models;
    this.versions = versions;
    this.changed = changed;
    this.list = [];
    this.shown = "";
    // A link to a model: #model=NAME&version=/versions/N
    const linked = new URLSearchParams(location.hash.slice(1));
    this.wish = { model: linked.get("model"), where: linked.get("version") ?? "" };
    models.addEventListener("change", () => {
      this.wish = { model: models.value, where: "" };
      this.#render();
      this.#tell();
    });
    versions.addEventListener("change", () => {
      this.wish = { model: models.value, where: versions.value };
      this.#tell();
    });
  }

  get model() {
    return this.list.find((one) => one.name === this.models.value) ?? null;
  }

  get where() {
    return this.versions.value;
  }

  // The version, as the server lists it, that answers now; null when none does.
  get version() {
    const { model, where } = this;
    if (!model) return null;
    const [, kind, name] = where.split("/");
    const number = !kind ? model.default_version : kind === "labels" ? model.labels[name] : name;
    return model.versions.find((one) => one.version === number && served(one)) ?? null;
  }

  // Takes a new listing; what was chosen stays chosen where it is still there.
  update(list) {
    const text = JSON.stringify(list);
    if (text === this.shown) return;
    const before = this.#identity();
    this.shown = text;
    this.list = list;
    this.#render();
    if (this.#identity() !== before) this.changed();
  }

  #identity() {
    return JSON.stringify([this.model?.name, this.where, this.version?.version]);
  }

  #tell() {
    const query = new URLSearchParams({ model: this.models.value });
    if (this.where) query.set("version", this.where);
    history.replaceState(null, "", `#${query}`);
    this.changed();
  }

  #render() {
    const usable = this.list.filter((one) => one.default_version !== null);
    const fallen = this.list.filter((one) => one.default_version === null);
    this.models.replaceChildren(
      ...usable.map((one) => new Option(one.name)),
      ...fallen.map((one) => disabled(`${one.name}: not served`, one.name)));
    const wished = usable.some((one) => one.name === this.wish.model);
    this.models.value = wished ? this.wish.model : usable[0]?.name ?? "";
    const model = this.model;
    const options = model ? [new Option(`newest (${model.default_version})`, "")] : [];
    for (const [label, number] of Object.entries(model?.labels ?? {})) {
      options.push(new Option(`${label} (${number})`, `/labels/${label}`));
    }
    for (const version of model?.versions ?? []) {
      const state = served(version) ? "" : `: ${version.state.toLowerCase()}`;
      const option = new Option(`version ${version.version}${state}`, `/versions/${version.version}`);
      option.disabled = !served(version);
      option.title = version.status.error_message;
      options.push(option);
    }
    this.versions.replaceChildren(...options);
    const there = options.some((one) => one.value === this.wish.where && !one.disabled);
    this.versions.value = wished && there ? this.wish.where : "";
    this.models.disabled = this.versions.disabled = !usable.length;
  }
}

const served = (version) => version.state === "AVAILABLE";

function disabled(text, value) {
  const option = new Option(text, value);
  option.disabled = true;
  return option;
}
