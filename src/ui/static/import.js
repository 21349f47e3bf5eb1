// A file of contacts goes to the API's import as it is: first as a dry run, then for good, with a bar for how far it is.
"use strict";

(() => {
  const form = document.getElementById("import");
  if (!form) return;
  const [file, rows, bar, told, refused] = ["file", "rows", "progress", "import-told", "refused"].map((id) =>
    document.getElementById(id),
  );
  const now = document.getElementById("import-now");
  const show = () => {
    rows.closest("div").hidden = file.files.length > 0;
    now.disabled = true;
  };
  file.addEventListener("change", show);
  rows.addEventListener("input", show);

  const say = (text) => {
    told.hidden = false;
    told.textContent = text;
  };
  const refuse = (line, errors) => {
    const row = refused.insertRow();
    row.insertCell().textContent = line;
    const one = ({ pointer, detail }) => `${pointer ? `${pointer.slice(1)}: ` : ""}${detail}.`;
    row.insertCell().textContent = errors.map(one).join(" ");
    refused.parentElement.hidden = false;
  };
  async function* pieces(stream) {
    const reader = stream.getReader();
    for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value;
  }
  // A file's rows are not known before it was read: the bar is by lines.
  const lines = async (blob) => {
    let count = 0;
    for await (const piece of pieces(blob.stream())) for (const byte of piece) count += byte === 10;
    return Math.max(count, 1);
  };

  const send = async (isCheck) => {
    const counts = { created: 0, updated: 0, valid: 0, refused: 0 };
    refused.replaceChildren();
    refused.parentElement.hidden = true;
    bar.max = await lines(file.files[0]);
    bar.value = 0;
    const answer = await fetch(`/v1/contacts:import${isCheck ? "?dry_run=true" : ""}`, {
      method: "POST",
      headers: { "Content-Type": "text/csv", "X-CSRF-Token": form.elements.csrf.value },
      body: file.files[0],
    });
    if (!answer.ok) {
      const problem = await answer.json();
      throw new Error((problem.errors?.[0] ?? problem).detail);
    }
    let rest = "";
    for await (const piece of pieces(answer.body.pipeThrough(new TextDecoderStream()))) {
      const parts = (rest + piece).split("\n");
      rest = parts.pop();
      for (const part of parts) {
        const result = JSON.parse(part);
        counts[result.outcome] += 1;
        if (result.outcome === "refused" && counts.refused <= 100) refuse(result.line, result.errors);
        bar.value = result.line;
      }
      say(isCheck ? `${counts.valid} rows checked …` : `${counts.created + counts.updated} rows imported …`);
    }
    bar.value = bar.max;
    const wrong = `${counts.refused} refused`;
    say(
      isCheck
        ? `Rows that can be imported: ${counts.valid}, ${wrong}.`
        : `${counts.created} created, ${counts.updated} updated, ${wrong}.`,
    );
    now.disabled = !isCheck || counts.valid === 0;
  };
  form.addEventListener("submit", (event) => {
    if (!file.files.length) return;
    event.preventDefault();
    send(event.submitter?.value !== "import").catch((error) => say(`That did not work: ${error.message}.`));
  });
})();
