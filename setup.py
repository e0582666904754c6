"""What pyproject.toml cannot say: the wheel carries configs/ and the shipped policies, which stay at the top here.

They land in ``lit_grpo/configs`` and ``lit_grpo/checkpoints``, where lit_grpo/presets.py looks for them.
"""

from setuptools import find_packages, setup

MAPPED = {"lit_grpo.configs": "configs", "lit_grpo.checkpoints": "checkpoints"}
SHIPPED = ("tiny-base", "small-base", "small-sft-matched", "small-sft-grpo")

setup(
    packages=[*find_packages(include=["lit_grpo", "lit_grpo.*"]), *MAPPED],
    package_dir=MAPPED,
    package_data={
        "lit_grpo": ["py.typed"],
        "lit_grpo.data": ["benchmark.schema.json"],
        "lit_grpo.explain": ["explanation.schema.json"],
        "lit_grpo.repair": ["prediction.schema.json"],
        "lit_grpo.configs": ["**/*.yaml"],
        "lit_grpo.checkpoints": [f"{name}/*" for name in SHIPPED],
    },
)
