-- Of tokens and of leases' secrets only their fingerprints are kept (SHA-256 in hex), so that whoever
-- reads this file or a copy of it can act for nobody. Volunteers go on with the secrets that they have.
update workers set token = fingerprint(token);
update leases set secret = fingerprint(secret);
