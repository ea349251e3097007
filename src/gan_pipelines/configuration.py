"""How an experiment's YAML is read: `base`, the experiments that it extends, the experiment itself, `--params`.

Later layers change single values of earlier ones, as in Kedro's soft merge, with two rules of this project: a block
that names another kind (`name`, `distribution`) keeps nothing of the kind before it, and lists replace each other
whole. Interpolation happens after the merge, so an experiment can change a `_` key of `base`.
"""

from collections.abc import Mapping
from pathlib import Path
from tarfile import TarError
from typing import Any, cast
from zipfile import BadZipFile

from kedro.config import MissingConfigException, OmegaConfigLoader
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from gan_pipelines.parameters import ExperimentError
from gan_pipelines.parameters.base import in_short

EXTENDS = "extends"
"""The parameter with which an experiment names the one that it differs from; `base` without it."""
KINDS = ("name", "distribution")
"""Fields that decide which other fields a block has."""
MOST_BITS = 1_000
"""Of a whole number in the YAML; those that schemas allow have 63."""
LOADER_ARGUMENTS: dict[str, Any] = {
    "base_env": "base",
    "default_run_env": "local",
    "config_patterns": {"mlflow": ["mlflow*"]},
}


class ExperimentLoader(OmegaConfigLoader):
    """Kedro's configuration loader; `${experiment:}` stands for the experiment's name, in the catalog for instance.

    Raises:
        ExperimentError: `env` is not a folder of the configuration.
    """

    def __init__(self, conf_source: str, env: str | None = None, *args: Any, **kwargs: Any) -> None:
        try:
            super().__init__(conf_source, env, *args, **kwargs)
        except (OSError, TarError, BadZipFile) as error:
            raise ExperimentError(
                f"--conf-source: {conf_source} cannot be read ({error}); allowed: a folder, or an archive .tar.gz or "
                f".zip of one, such as `kedro package` makes."
            ) from None
        self.experiment = env or self.base_env
        known = self.experiments()
        if self.experiment not in known:
            raise ExperimentError(
                f"--env: there is no experiment {self.experiment!r}, a folder under conf/; found {', '.join(known)}."
            )

    def __getitem__(self, key: str) -> dict[str, Any]:
        OmegaConf.register_new_resolver("experiment", lambda: self.experiment, replace=True)
        try:
            if key == "parameters" and key not in self:
                self[key] = self._read_parameters()
            found: dict[str, Any] = super().__getitem__(key)
        except ExperimentError:
            raise
        except (ValueError, YAMLError, OmegaConfBaseException) as error:
            raise ExperimentError(f"conf: the {key} cannot be read: {in_short(error)}") from None
        except RecursionError:
            raise ExperimentError(
                f"conf: the {key} cannot be read: a value contains itself, or lies in too many others."
            ) from None
        return found

    def experiments(self) -> list[str]:
        """Names of the folders of the configuration."""
        root = Path(self._get_conf_env_path(""))
        try:
            entries = self._fs.ls(root.as_posix(), detail=True)
        except PermissionError as error:
            raise _not_readable(error) from None
        return sorted(Path(entry["name"]).name for entry in entries if entry["type"] == "directory")

    def _read_parameters(self) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for layer in [*self._layers(), self.runtime_params or {}]:
            merged = overlay(merged, layer)
        resolved = OmegaConf.to_container(OmegaConf.create(merged), resolve=True)
        _require_short_numbers(resolved)
        blocks = cast("dict[str, Any]", resolved)
        if strange := [name for name in blocks if not isinstance(name, str)]:
            raise ExperimentError(f"conf: the name of each parameter must be a text; found {strange[0]!r}.")
        return {name: block for name, block in blocks.items() if not name.startswith("_") and name != EXTENDS}

    def _layers(self) -> list[dict[str, Any]]:
        """The parameters of each folder, base first, as they stand in the YAML."""
        layers: list[dict[str, Any]] = []
        names: list[str] = []
        name: str | None = self.env or self.default_run_env
        while name and name != self.base_env:
            if name in names:
                raise ExperimentError(f"conf/{names[-1]}: {EXTENDS}: {' extends '.join([*names, name])}, a circle.")
            if names and name not in self.experiments():
                raise ExperimentError(
                    f"conf/{names[-1]}: {EXTENDS}: there is no experiment {name!r}, a folder under conf/; found "
                    f"{', '.join(self.experiments())}."
                )
            names.append(name)
            layers.insert(0, self._read_folder(name))
            name = layers[0].get(EXTENDS)
        return [self._read_folder(self.base_env), *layers]

    def _read_folder(self, name: str) -> dict[str, Any]:
        patterns = self.config_patterns["parameters"]
        files = self._read_dir_configs(self._get_conf_env_path(name), patterns, "parameters", set())
        merged: dict[str, Any] = {}
        for file in sorted(files):
            merged = overlay(merged, cast("dict[str, Any]", OmegaConf.to_container(files[file])))
        return merged

    def _read_dir_configs(self, conf_path: str, *args: Any, **kwargs: Any) -> dict[Path, Any]:
        try:
            found: dict[Path, Any] = super()._read_dir_configs(conf_path, *args, **kwargs)
            for folder, names, _ in self._fs.walk(conf_path, on_error="raise"):
                for name in names:
                    self._fs.ls(f"{folder}/{name}", detail=True)  # Kedro passes over a folder that cannot be opened
        except MissingConfigException:
            if self.env or Path(conf_path).name != self.default_run_env:  # conf/local need not exist
                raise
            return {}
        except PermissionError as error:
            raise _not_readable(error) from None
        return found

    def _check_duplicates(self, key: str, config_per_file: dict[Path, Any]) -> None:
        for file, content in config_per_file.items():
            if not OmegaConf.is_dict(content):
                raise ExperimentError(f"{file}: must be a mapping; found a list.")
        super()._check_duplicates(key, config_per_file)


def _require_short_numbers(value: Any, path: str = "") -> None:
    """Refuse whole numbers of so many digits that Python writes them into no message; YAML can, as `0x` and letters."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _require_short_numbers(key, path)
            _require_short_numbers(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            _require_short_numbers(inner, f"{path}.{place}")
    elif isinstance(value, int) and value.bit_length() > MOST_BITS:
        raise ExperimentError(
            f"conf: {path.lstrip('.') or 'a name'}: a number may have {MOST_BITS} bits; found {value.bit_length()}."
        )


def _not_readable(error: OSError) -> ExperimentError:
    return ExperimentError(
        f"{error.filename}: cannot be read ({error.strerror}), and an experiment needs all of its configuration. "
        f"Allow this user to read it. Nothing was run."
    )


def overlay(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings merged: values of `above` win, unless the mapping there is of another kind and replaces all."""
    if any(kind in below and above.get(kind, below[kind]) != below[kind] for kind in KINDS):
        return dict(above)
    merged = dict(below)
    for key, value in above.items():
        inner = merged.get(key)
        merged[key] = overlay(inner, value) if isinstance(inner, Mapping) and isinstance(value, Mapping) else value
    return merged
