//! The names of [`Sandbox`]es, on the command line and in an order.

use childwatch_ptrace_free_tests::Sandbox;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) fn parser() -> impl TypedValueParser<Value = Sandbox> {
    let possible =
        |sandbox: &Sandbox| PossibleValue::new(sandbox.name()).help(sandbox.stands_for());
    PossibleValuesParser::new(Sandbox::ALL.iter().map(possible)).try_map(|name| named(&name))
}

pub(crate) fn serialize<S: Serializer>(
    sandbox: &Option<Sandbox>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    sandbox.map(Sandbox::name).serialize(serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Sandbox>, D::Error> {
    let name = Option::<String>::deserialize(deserializer)?;
    name.map(|name| named(&name))
        .transpose()
        .map_err(D::Error::custom)
}

fn named(name: &str) -> Result<Sandbox, String> {
    let mut all = Sandbox::ALL.iter().copied();
    all.find(|sandbox| sandbox.name() == name)
        .ok_or_else(|| format!("{name:?} is no sandbox"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sandbox_is_found_by_its_name() {
        for &sandbox in Sandbox::ALL {
            assert_eq!(named(sandbox.name()), Ok(sandbox));
        }
        assert_eq!(named("quick"), Err(r#""quick" is no sandbox"#.to_owned()));
    }
}
