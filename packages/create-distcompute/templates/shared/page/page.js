// The volunteer page. <distcompute-volunteer> has the controls; what the project shows is up to you.

import "distcompute-volunteer";

const title = document.title;

document.querySelector("distcompute-volunteer").addEventListener("status", ({ detail }) => {
  document.title = detail.jobsDone > 0 ? `${detail.jobsDone} done · ${title}` : title;
});
