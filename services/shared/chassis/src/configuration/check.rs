//! Values that do not go together.

use super::{Configuration, ConfigurationError};

impl Configuration {
    /// Refuses values that do not go together, each with what to do about it.
    pub fn check(&self) -> Result<(), ConfigurationError> {
        let problems = [
            self.http(),
            self.rpc(),
            self.database(),
            self.others(),
            self.limits(),
        ];
        if let Some(text) = problems.into_iter().flatten().next() {
            return Err(ConfigurationError::Refused(text));
        }
        Ok(())
    }

    fn http(&self) -> Option<String> {
        if self.tls.cert.is_some() != self.tls.key.is_some() {
            return Some("tls.cert and tls.key belong together; set both or none".into());
        }
        let protected = self.tls.cert.is_some() || self.http.behind_proxy;
        if !self.http.addr.ip().is_loopback() && !protected {
            return Some(format!(
                "http.addr {} can be reached from other machines, and passwords would travel in the clear; set tls.cert and tls.key, \
                 or http.behind_proxy = true if a proxy in front terminates TLS, or listen on 127.0.0.1",
                self.http.addr
            ));
        }
        let url = self.http.public_url.as_deref()?;
        (!is_http(url))
            .then(|| format!("http.public_url {url:?} is no http:// or https:// address"))
    }

    fn rpc(&self) -> Option<String> {
        let roles = self.services.all();
        let remote: Vec<_> = roles
            .into_iter()
            .filter_map(|(role, url)| Some((role, url?)))
            .collect();
        if let Some((role, url)) = remote.iter().find(|(_, url)| !is_http(url)) {
            return Some(format!(
                "services.{role} {url:?} is no http:// or https:// address"
            ));
        }
        if self.rpc.key_file.is_some() {
            return None;
        }
        let because = match (remote.first(), self.rpc.addr) {
            (Some((role, _)), _) => format!("services.{role} is in another process"),
            (None, Some(addr)) => format!("rpc.addr {addr} serves other processes"),
            (None, None) => return None,
        };
        Some(format!(
            "{because}, so that all processes need the same rpc.key_file"
        ))
    }

    fn database(&self) -> Option<String> {
        if self.database.embedded() {
            return None;
        }
        let roles = [
            ("url", Some(&self.database.url)),
            ("owner_url", self.database.owner_url.as_ref()),
            ("worker_url", self.database.worker_url.as_ref()),
            ("catalog_url", self.database.catalog_url.as_ref()),
        ];
        roles.into_iter().find_map(|(key, url)| match url {
            None => Some(format!(
                "database.url is not \"embedded\", so database.{key} is needed too"
            )),
            Some(url) if !has_scheme(url.expose(), &["postgres://", "postgresql://"]) => Some(
                format!("database.{key} is neither \"embedded\" nor a postgres:// address"),
            ),
            Some(_) => None,
        })
    }

    fn others(&self) -> Option<String> {
        if !self.blobs.embedded() && !has_scheme(&self.blobs.url, &["s3://"]) {
            return Some(format!(
                "blobs.url {:?} is neither \"embedded\" nor s3://bucket",
                self.blobs.url
            ));
        }
        if self.blobs.access_key.is_some() != self.blobs.secret_key.is_some() {
            return Some(
                "blobs.access_key and blobs.secret_key belong together; set both or none".into(),
            );
        }
        if !self.bus.embedded() && !has_scheme(self.bus.url.expose(), &["redis://", "rediss://"]) {
            return Some("bus.url is neither \"embedded\" nor a redis:// address".into());
        }
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&self.telemetry.log) {
            return Some(format!("telemetry.log {:?}: {error}", self.telemetry.log));
        }
        let endpoint = self.telemetry.otlp_endpoint.as_deref()?;
        (!is_http(endpoint)).then(|| {
            format!("telemetry.otlp_endpoint {endpoint:?} is no http:// or https:// address")
        })
    }

    fn limits(&self) -> Option<String> {
        let limits = [
            ("limits.http_connections", self.limits.http_connections == 0),
            (
                "limits.http_request_bytes",
                self.limits.http_request_bytes == 0,
            ),
            ("limits.http_header_ms", self.limits.http_header_ms == 0),
            ("limits.edge_connections", self.limits.edge_connections == 0),
            (
                "limits.enrolments_per_second",
                self.limits.enrolments_per_second == 0,
            ),
            (
                "limits.relayed_enrolments_per_second",
                self.limits.relayed_enrolments_per_second == 0,
            ),
            (
                "database.max_connections",
                self.database.max_connections == 0,
            ),
            (
                "database.statement_timeout_ms",
                self.database.statement_timeout_ms == 0,
            ),
        ];
        limits
            .into_iter()
            .find(|(_, zero)| *zero)
            .map(|(key, _)| format!("{key} is 0; nothing would work"))
    }
}

fn is_http(url: &str) -> bool {
    has_scheme(url, &["http://", "https://"])
}

fn has_scheme(url: &str, schemes: &[&str]) -> bool {
    schemes
        .iter()
        .any(|scheme| url.len() > scheme.len() && url.starts_with(scheme))
}
