import setuptools

setuptools.setup(
    name="cloister",
    version="0.1.0",
    description="Verifies evidence of confidential VMs: SEV-SNP, TDX, TPMs and event logs",
    license="Apache-2.0",
    packages=["cloister"],
    python_requires=">=3.9",
    setup_requires=["cffi>=1.12"],
    install_requires=["cffi>=1.12"],
    cffi_modules=["build_cloister.py:builder"],
)
