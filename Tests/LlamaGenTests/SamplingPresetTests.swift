import Foundation
import IAR
import ImageModels
import LlamaGen
import Testing

/// Presets beside the tables that they are from.
@Suite struct SamplingPresetTests {
  @Test func llamaGenHasTheGuidanceOfTheLowestPublishedFID() throws {
    let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "pipelines/published/llamagen.tsv")
    let rows = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").dropFirst().map {
      $0.split(separator: "\t")
    }
    var best: [String: (guidance: Double, distance: Double)] = [:]
    for row in rows {
      let name = "llamagen-c2i-\(row[0])-\(row[1])"
      let (guidance, distance) = (try #require(Double(row[3])), try #require(Double(row[4])))
      if distance < best[name]?.distance ?? .infinity { best[name] = (guidance, distance) }
    }
    let presets = SamplingPreset.ofLlamaGen
    #expect(presets.count == 10 && Set(presets.map(\.name)) == Set(best.keys))
    for preset in presets {
      #expect(preset.guidance == best[preset.name]?.guidance, "\(preset.name)")
      #expect(preset.draw == DrawOptions() && preset.fineDraw == nil && preset.evaluationSize == 256)
    }
  }

  @Test func iarHasItsTableA2() {
    let guidance = Dictionary(uniqueKeysWithValues: SamplingPreset.ofIAR.map { ($0.name, $0.guidance) })
    #expect(
      guidance == [
        "iar-B-256": 2, "iar-L-256": 2, "iar-XL-256": 1.75, "iar-XXL-256": 2, "iar-B-384": 2.25,
        "iar-L-384": 1.75, "iar-XL-384": 1.75, "iar-XXL-384": 1.65,
      ])
  }

  @Test func aPresetFitsItsModelAlone() throws {
    for preset in SamplingPreset.ofLlamaGen {
      let parts = preset.name.split(separator: "-")
      let sizes = try #require(TransformerConfiguration.named["GPT-\(parts[2])"])
      let side = try #require(Int(parts[3])) / 16
      func model(layers: Int, rows: Int) -> TransformerConfiguration {
        TransformerConfiguration(
          layers: layers, heads: sizes.heads, width: sizes.width, vocabularySize: 16384, gridRows: rows,
          gridColumns: side, classCount: 1000)
      }
      #expect(preset.fits(model(layers: sizes.layers, rows: side)), "\(preset.name)")
      #expect(!preset.fits(model(layers: sizes.layers + 1, rows: side)))
      #expect(!preset.fits(model(layers: sizes.layers, rows: side + 1)))
    }
  }
}
