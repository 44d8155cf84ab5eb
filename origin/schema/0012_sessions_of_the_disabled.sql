-- Whoever is disabled, leaves or gets another role loses the sessions that were open: being enabled again later does not bring them back. Both
-- ways, for a session that was just being opened when its person was disabled is found at the latest when the person is enabled again.
CREATE FUNCTION users_end_sessions() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sessions_end(NEW.tenant_id, NEW.id, NULL);
    RETURN NULL;
END $$;

CREATE TRIGGER users_end_sessions AFTER UPDATE OF enabled, status, role ON users
    FOR EACH ROW WHEN ((OLD.enabled, OLD.status, OLD.role) IS DISTINCT FROM (NEW.enabled, NEW.status, NEW.role))
    EXECUTE FUNCTION users_end_sessions();
