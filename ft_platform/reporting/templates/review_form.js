"use strict";
(function () {
  var data = JSON.parse(document.getElementById("data").textContent);
  var kept = "ft-review-" + data.sheet + "-" + data.rater;
  var answers = {};
  try { answers = JSON.parse(localStorage.getItem(kept)) || {}; } catch (error) { answers = {}; }

  function element(tag, text, name) {
    var made = document.createElement(tag);
    if (text !== undefined) { made.textContent = text; }
    if (name) { made.className = name; }
    return made;
  }

  function show() {
    document.getElementById("done").textContent = Object.keys(answers).length + " of " + data.rows.length + " answered";
  }

  function choice(row, value, words) {
    var label = element("label");
    var input = element("input");
    input.type = "radio";
    input.name = "row" + row;
    input.value = value;
    input.checked = answers[row] === value;
    input.addEventListener("change", function () {
      answers[row] = value;
      try { localStorage.setItem(kept, JSON.stringify(answers)); } catch (error) { /* the page still works, it only forgets when it is closed */ }
      show();
    });
    label.append(input, " " + words);
    return label;
  }

  function side(title, text) {
    var box = element("div");
    box.append(element("h3", title), element("p", text, "text"));
    return box;
  }

  if (data.voice) { document.getElementById("rows").append(element("p", data.voice, "text")); }

  data.rows.forEach(function (row) {
    var section = element("section");
    var both = element("div", undefined, "answers");
    both.append(side("Answer 1", row[2]), side("Answer 2", row[3]));
    var choices = element("fieldset");
    choices.append(element("legend", "Question " + row[0] + ": which is better?"), choice(row[0], "1", "answer 1"), choice(row[0], "2", "answer 2"), choice(row[0], "tie", "neither, a tie"));
    section.append(element("h2", "Question " + row[0]), element("p", row[1], "text"), both, choices);
    document.getElementById("rows").append(section);
  });
  show();

  function lines() {
    var given = data.rows.filter(function (row) { return answers[row[0]]; });
    return ["sheet,rater,row,better"].concat(given.map(function (row) { return [data.sheet, data.rater, row[0], answers[row[0]]].join(","); }));
  }

  document.getElementById("save").addEventListener("click", function () {
    var link = element("a");
    link.href = URL.createObjectURL(new Blob([lines().join("\r\n") + "\r\n"], { type: "text/csv" }));
    link.download = "answers_" + data.sheet + "_" + data.rater + ".csv";
    document.body.append(link);
    link.click();
    link.remove();
    URL.revokeObjectURL(link.href);
  });
})();
