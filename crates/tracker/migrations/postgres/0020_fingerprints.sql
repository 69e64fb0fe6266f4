-- Of tokens and of leases' secrets only their fingerprints are kept (SHA-256 in hex), so that whoever
-- reads the database or a copy of it can act for nobody. Volunteers go on with the secrets that they
-- have.
update workers set token = encode(sha256(convert_to(token, 'UTF8')), 'hex');
update leases set secret = encode(sha256(convert_to(secret, 'UTF8')), 'hex');
