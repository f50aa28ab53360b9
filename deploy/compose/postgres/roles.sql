-- Runs once, on an empty volume: one role per service, each the owner of its own schema and of nothing else. Passwords come from the
-- container's environment; nothing of this is written to the server's log.
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET password_encryption = 'scram-sha-256';
\getenv scheduler DB_PASSWORD_SCHEDULER
\getenv parser DB_PASSWORD_PARSER
\getenv watermark DB_PASSWORD_WATERMARK
\getenv database POSTGRES_DB

REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;

CREATE ROLE scheduler LOGIN NOINHERIT PASSWORD :'scheduler';
CREATE ROLE parser LOGIN NOINHERIT PASSWORD :'parser';
CREATE ROLE watermark LOGIN NOINHERIT PASSWORD :'watermark';

-- CREATE: a service brings its schema up by itself, and `CREATE SCHEMA IF NOT EXISTS` wants the right even when the schema exists. What it could
-- make with it is its own; what belongs to another it can neither see nor touch.
GRANT CONNECT, CREATE ON DATABASE :"database" TO scheduler, parser, watermark;

CREATE SCHEMA scheduler AUTHORIZATION scheduler;
CREATE SCHEMA parser AUTHORIZATION parser;
CREATE SCHEMA watermark AUTHORIZATION watermark;
