// swift-tools-version: 6.1
// The targets by layer: this file is the dependency diagram. Arrows point from the tools at the
// bottom to the C libraries at the top, and never back.
import PackageDescription

let oneDNN: Target.Dependency = .target(name: "COneDNN", condition: .when(traits: ["OneDNN"]))
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

/// A tool sees every room; its own folder holds little more than its options.
func tool(_ name: String) -> Target {
  .executableTarget(
    name: name,
    dependencies: [
      "ToolKit", "TensorCore", "Autograd", "NeuralNet", "Codebooks", "StreamFormat", "Images",
      "ImageModels", "Training", "Metrics", "FeatureNetworks", "ForeignFiles", argumentParser,
    ])
}

func tests(of room: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .testTarget(
    name: room + "Tests", dependencies: [.target(name: room), "TestSupport"] + dependencies)
}

let tools = [
  "train-tokenizer", "tokenize", "detokenize", "rearrange-codebook", "cluster-codebook", "relabel-tokens",
  "train-ar", "train-fine", "sample", "score-tokens", "show-file", "eval-metrics", "import-weights",
  "perturb-tokens", "linear-probe", "attention-maps",
]

let package = Package(
  name: "tessera",
  products: tools.map { .executable(name: $0, targets: [$0]) },
  traits: [
    .default(enabledTraits: ["OneDNN"]),
    .trait(name: "OneDNN", description: "Matrix products and convolutions through oneDNN."),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: [
    // MARK: C libraries and kernels
    .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .target(
      name: "COneDNN",
      linkerSettings: [.linkedLibrary("dnnl", .when(traits: ["OneDNN"]))]),
    .target(
      name: "CImageCodecs",
      linkerSettings: [.linkedLibrary("png"), .linkedLibrary("jpeg")]),
    .target(name: "CKernels"),

    // MARK: Rooms that know nothing of files or terminals
    .target(name: "TensorCore", dependencies: ["COpenBLAS", oneDNN, "CKernels"]),
    .target(name: "Autograd", dependencies: ["TensorCore", "CKernels"]),
    .target(name: "NeuralNet", dependencies: ["Autograd", "TensorCore", "CKernels"]),
    .target(name: "Codebooks", dependencies: ["TensorCore", "CKernels"]),
    .target(name: "Images", dependencies: ["CImageCodecs", "TensorCore"]),
    .target(name: "Metrics", dependencies: ["TensorCore", "COpenBLAS", "CKernels", "Images"]),

    // MARK: Rooms that read and write files
    .target(name: "StreamFormat", dependencies: ["CZstd", "CCrypto"]),
    .target(name: "ForeignFiles", dependencies: ["CZlib", "StreamFormat"]),
    .target(
      name: "ImageModels",
      dependencies: ["NeuralNet", "Autograd", "TensorCore", "CKernels", "Codebooks", "StreamFormat"]),
    .target(
      name: "FeatureNetworks",
      dependencies: [
        "Autograd", "TensorCore", "CKernels", "StreamFormat", "ForeignFiles", "Images", "ImageModels",
      ]),
    .target(
      name: "Training",
      dependencies: [
        "ImageModels", "Codebooks", "Metrics", "NeuralNet", "Autograd", "TensorCore", "StreamFormat",
        "Images",
      ]),
    .target(
      name: "ToolKit",
      dependencies: [
        "Training", "ImageModels", "NeuralNet", "Codebooks", "StreamFormat", "Images", "TensorCore",
        argumentParser,
      ]),

    // MARK: Tests
    .target(
      name: "TestSupport", dependencies: ["Autograd", "TensorCore", "StreamFormat"],
      path: "Tests/TestSupport"),
    tests(of: "TensorCore", ["CKernels"]),
    tests(of: "Autograd", ["CKernels"]),
    tests(of: "NeuralNet"),
    tests(of: "Codebooks"),
    tests(of: "Images"),
    tests(of: "StreamFormat"),
    tests(of: "ForeignFiles"),
    tests(of: "ImageModels"),
    tests(of: "Metrics", ["StreamFormat"]),
    tests(of: "FeatureNetworks", ["ForeignFiles"]),
    tests(of: "Training"),
    tests(of: "ToolKit"),
    .testTarget(
      name: "CommandLineTests",
      dependencies: ["TestSupport", "StreamFormat", "Images", "tessera-bench"]
        + tools.map { .target(name: $0) }),
  ] + tools.map(tool) + [tool("tessera-bench")]
)
