import ForeignFiles
import ImageModels
import LlamaGen
import StreamFormat
import TensorCore
import Testing
import TestSupport
import VAR

/// Checkpoints as VAR's are published: a bare state dict with the buffer of hits (`vae_ch160v4096z32.pth`).
@Suite struct VARTokenizerImportTests {
  private let device = Device(threadCount: 1)
  private let fixture: TokenizerFixture

  init() throws { fixture = try TokenizerFixture() }

  private func record(
    _ change: (inout [StoredTensor]) -> Void = { _ in },
    set: (inout ImportSettings) -> Void = { _ in }
  ) throws -> Record {
    var tensors = fixture.published
    // Of another number of scales, as where weights go from 256 pixels to 512.
    tensors.append(
      StoredTensor(
        name: "quantize.ema_vocab_hit_SV", shape: [10, 64], floats: [Float](repeating: 1, count: 640)))
    change(&tensors)
    var settings = ImportSettings()
    (settings.groups, settings.imageSize, settings.scales) = (2, 64, [1, 2, 3, 4])
    set(&settings)
    let file = try ForeignWeights(TorchCheckpoint([("", tensors)]).bytes(), file: "vae.pth")
    return try WeightsImport(file, as: .tokenizer, settings).record(as: .tokenizer, device: device)
  }

  @Test func aBareStateDict() throws {
    let tokenizer = try Tokenizer(record(), device: device)
    #expect(tokenizer.configuration == fixture.configuration)
    #expect(try tokenizer.tokens(of: fixture.golden.channelsLast("image", device)) == fixture.tokens())
  }

  @Test func whatTheCheckpointDoesNotSayIsAsked() throws {
    #expect {
      try record(set: { $0.scales = nil })
    } throws: {
      $0 is AmbiguousCheckpoint && "\($0)".contains("--scales") && "\($0)".contains("4x4")
    }
    // Ten scales end at 16, and the images are of 64 pixels.
    #expect(throws: FormatError.self) {
      try record(set: { $0.scales = MultiScaleConfiguration.published256.scales })
    }
    let other = try record(set: { $0.residualRatio = 0.25 })
      .jsonMetadata("config", as: TokenizerConfiguration.self)
    #expect(other.multiScale?.residualRatio == 0.25)
  }

  @Test func damagedCheckpointsAreTold() throws {
    #expect {
      try record({ $0.removeAll { $0.name == "encoder.mid.attn_1.qkv.bias" } })
    } throws: {
      "\($0)".contains("'encoder.mid.attn_1.qkv.bias'")
    }
    #expect {
      try record({ tensors in
        let place = tensors.firstIndex { $0.name == "encoder.mid.attn_1.qkv.bias" }!
        tensors[place] = StoredTensor(
          name: tensors[place].name, shape: [47], floats: [Float](repeating: 0, count: 47))
      })
    } throws: {
      ($0 as? FormatError)?.defect == .wrongShape && "\($0)".contains("query, key and value")
    }
    // As many levels as make a downsampling that is no number.
    for levels in [9, 64, 65, 80] {
      #expect {
        try record({ tensors in
          let known = Set(tensors.map(\.name))
          for name in (0..<levels).map({ "encoder.down.\($0).block.0.conv1.weight" })
          where !known.contains(name) {
            let floats = [Float](repeating: 0, count: 8 * 8 * 9)
            tensors.append(StoredTensor(name: name, shape: [8, 8, 3, 3], floats: floats))
          }
        })
      } throws: {
        "\($0)".contains("1 to 8 levels are possible, not ")
      }
    }
    #expect {
      try record({ $0.removeAll { $0.name == "quantize.quant_resi.qresi_ls.3.weight" } })
    } throws: {
      "\($0)".contains("qresi_ls.3.bias")
    }
  }
}
