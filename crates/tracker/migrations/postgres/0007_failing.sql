-- Jobs that have failed and are worked on again are few, and the estimate of the time left asks for them.
create index jobs_failing on jobs (stage) where failures > 0 and state in ('open', 'held');

-- Volunteers are counted by the names and addresses of their workers.
create index workers_volunteer on workers (nickname, address);
