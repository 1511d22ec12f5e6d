"""The names of metrics in libraries, with the direction that the library itself has for each.

Read from the libraries on the day that the lists of `modelog.metric_directions` were made.
"""

HIGHER = {
    "scikit-learn 1.9.1, get_scorer_names()": """
        accuracy adjusted_mutual_info_score adjusted_rand_score average_precision balanced_accuracy
        completeness_score d2_absolute_error_score d2_brier_score d2_log_loss_score explained_variance f1
        f1_macro f1_micro f1_samples f1_weighted fowlkes_mallows_score homogeneity_score jaccard jaccard_macro
        jaccard_micro jaccard_samples jaccard_weighted matthews_corrcoef mutual_info_score neg_brier_score
        neg_log_loss neg_max_error neg_mean_absolute_error neg_mean_absolute_percentage_error
        neg_mean_gamma_deviance neg_mean_poisson_deviance neg_mean_squared_error neg_mean_squared_log_error
        neg_median_absolute_error neg_negative_likelihood_ratio neg_root_mean_squared_error
        neg_root_mean_squared_log_error normalized_mutual_info_score positive_likelihood_ratio precision
        precision_macro precision_micro precision_samples precision_weighted r2 rand_score recall recall_macro
        recall_micro recall_samples recall_weighted roc_auc roc_auc_ovo roc_auc_ovo_weighted roc_auc_ovr
        roc_auc_ovr_weighted top_k_accuracy v_measure_score""",
    "scikit-learn 1.9.1, sklearn.metrics": """
        accuracy_score adjusted_mutual_info_score adjusted_rand_score auc average_precision_score
        balanced_accuracy_score calinski_harabasz_score cohen_kappa_score completeness_score consensus_score
        d2_absolute_error_score d2_brier_score d2_log_loss_score d2_pinball_score d2_tweedie_score dcg_score
        explained_variance_score f1_score fbeta_score fowlkes_mallows_score homogeneity_score jaccard_score
        label_ranking_average_precision_score matthews_corrcoef mutual_info_score ndcg_score
        normalized_mutual_info_score precision_score r2_score rand_score recall_score roc_auc_score
        silhouette_score top_k_accuracy_score v_measure_score""",
    "torchmetrics 1.9.0, higher_is_better": """
        ARNIQA BERTScore BLEUScore BinaryAUROC BinaryAccuracy BinaryAveragePrecision BinaryCohenKappa
        BinaryF1Score BinaryFBetaScore BinaryJaccardIndex BinaryLogAUC BinaryMatthewsCorrCoef BinaryPrecision
        BinaryRecall CHRFScore CLIPImageQualityAssessment CLIPScore CalinskiHarabaszScore ClusterAccuracy
        CompleteIntersectionOverUnion CompletenessScore ComplexScaleInvariantSignalNoiseRatio
        ConcordanceCorrCoef CosineSimilarity CramersV CriticalSuccessIndex DeepNoiseSuppressionMeanOpinionScore
        DiceScore DistanceIntersectionOverUnion DunnIndex ExplainedVariance FleissKappa FowlkesMallowsIndex
        GeneralizedDiceScore GeneralizedIntersectionOverUnion HomogeneityScore InceptionScore
        IntersectionOverUnion MeanAveragePrecision MeanIoU ModifiedPanopticQuality
        MultiScaleStructuralSimilarityIndexMeasure MulticlassAUROC MulticlassExactMatch MulticlassF1Score
        MultilabelRankingAveragePrecision MutualInfoScore NonIntrusiveSpeechQualityAssessment PanopticQuality
        PeakSignalNoiseRatio PeakSignalNoiseRatioWithBlockedEffect PearsonsContingencyCoefficient
        PerceptualEvaluationSpeechQuality QualityWithNoReference R2Score ROUGEScore RetrievalAUROC
        RetrievalHitRate RetrievalMAP RetrievalMRR RetrievalNormalizedDCG RetrievalPrecision RetrievalRPrecision
        RetrievalRecall RetrievalRecallAtFixedPrecision SQuAD SacreBLEUScore
        ScaleInvariantSignalDistortionRatio ScaleInvariantSignalNoiseRatio ShortTimeObjectiveIntelligibility
        SignalDistortionRatio SignalNoiseRatio SourceAggregatedSignalDistortionRatio
        SpatialCorrelationCoefficient SpearmanCorrCoef SpeechReverberationModulationEnergyRatio
        StructuralSimilarityIndexMeasure TheilsU TschuprowsT UniversalImageQualityIndex VMeasureScore
        VideoMultiMethodAssessmentFusion VisualInformationFidelity""",
    "Keras 3, _direction": """
        accuracy binary_accuracy categorical_accuracy sparse_categorical_accuracy top_k_categorical_accuracy
        sparse_top_k_categorical_accuracy Precision Recall SensitivityAtSpecificity SpecificityAtSensitivity
        PrecisionAtRecall RecallAtPrecision AUC pearson_correlation concordance_correlation fbeta_score f1_score
        IoU BinaryIoU MeanIoU OneHotIoU OneHotMeanIoU cosine_similarity r2_score""",
    "LightGBM 4.7.0, .METRICS_HIGHER_BETTER": "ndcg map auc average_precision auc_mu ndcg@5 map@10",
    "XGBoost 3.2.0, EarlyStopping": "auc aucpr pre map ndcg pre@5 auc@5 aucpr@5 map@5- ndcg@10-",
    "CatBoost, GetBestValue": """
        R2 AUC QueryAUC Accuracy BalancedAccuracy Precision Recall F1 TotalF1 MCC Kappa WKappa
        LogLikelihoodOfPrediction NormalizedGini PairAccuracy AverageGain QueryAverage PFound PrecisionAt:top=5
        RecallAt:top=5 MAP:top=10 NDCG:top=10;type=Base DCG FilteredDCG AUC:type=Mu PRAUC""",
    "Hugging Face evaluate 0.4.6": """
        accuracy bertscore bleu bleurt chrf CIDEr clip_score comet exact_match f1 frugalscore google_bleu
        matthews_correlation mauve mean_iou meteor nist_mt pass@1 pearsonr precision r_squared recall roc_auc
        rouge1 rouge2 rougeL rougeLsum sacrebleu sari spearmanr squad overall_f1 overall_accuracy
        eval_accuracy eval_f1""",
    "usual spellings": """
        auroc f1_macro acc val_acc recall@10 top5_acc top_5_accuracy acc@1 ROC-AUC best_val_auc test-auc-mean
        validation:auc macro_avg/f1-score weighted_avg/precision mAP@0.5:0.95 mAP50-95 nDCG@10 hits@10 R² mIoU
        accuracy_(%) mean_test_neg_log_loss val_neg_mean_squared_error cross_val_f1 oof_auc holdout.f1""",
}

LOWER = {
    "scikit-learn 1.9.1, sklearn.metrics": """
        brier_score_loss coverage_error davies_bouldin_score hamming_loss hinge_loss label_ranking_loss log_loss
        max_error mean_absolute_error mean_absolute_percentage_error mean_gamma_deviance mean_pinball_loss
        mean_poisson_deviance mean_squared_error mean_squared_log_error mean_tweedie_deviance
        median_absolute_error root_mean_squared_error root_mean_squared_log_error zero_one_loss""",
    "torchmetrics 1.9.0, higher_is_better": """
        BinaryCalibrationError BinaryHammingDistance BinaryHingeLoss CharErrorRate
        ContinuousRankedProbabilityScore DeepImageStructureAndTextureSimilarity EditDistance
        ErrorRelativeGlobalDimensionlessSynthesis ExtendedEditDistance FrechetInceptionDistance
        HausdorffDistance JensenShannonDivergence KLDivergence KernelInceptionDistance
        LearnedPerceptualImagePatchSimilarity LipVertexError LogCoshError MatchErrorRate MeanAbsoluteError
        MeanAbsolutePercentageError MeanSquaredError MeanSquaredLogError
        MemorizationInformedFrechetInceptionDistance MinkowskiDistance MulticlassCalibrationError
        MulticlassHingeLoss MultilabelCoverageError MultilabelHammingDistance MultilabelRankingLoss
        NormalizedRootMeanSquaredError Perplexity ProcrustesDisparity RelativeAverageSpectralError
        RelativeSquaredError RetrievalFallOut RootMeanSquaredErrorUsingSlidingWindow SpatialDistortionIndex
        SpectralAngleMapper SymmetricMeanAbsolutePercentageError TotalVariation TranslationEditRate
        WeightedMeanAbsolutePercentageError WordErrorRate WordInfoLost""",
    "Keras 3, _direction": """
        loss val_loss hinge squared_hinge categorical_hinge kl_divergence poisson binary_crossentropy
        categorical_crossentropy sparse_categorical_crossentropy mean_squared_error mean_absolute_error
        mean_absolute_percentage_error mean_squared_logarithmic_error root_mean_squared_error logcosh""",
    "LightGBM 4.7.0, .METRICS_HIGHER_BETTER": """
        l1 l2 mape rmse quantile huber fair poisson gamma_deviance tweedie binary_logloss binary_error
        multi_logloss multi_error multi_error@2 cross_entropy cross_entropy_lambda kullback_leibler""",
    "XGBoost 3.2.0, EarlyStopping": """
        rmse rmsle mae mape mphe logloss error error@0.7 merror mlogloss poisson-nloglik gamma-nloglik
        gamma-deviance tweedie-nloglik cox-nloglik aft-nloglik quantile expectile""",
    "CatBoost, GetBestValue": """
        Logloss Logloss:use_weights=false CrossEntropy MultiRMSE RMSE Lq MAE Quantile:alpha=0.9 Expectile
        LogLinQuantile MAPE Poisson MSLE MedianAbsoluteError SMAPE Huber LogCosh MultiClass MultiClassOneVsAll
        MultiLogloss MultiCrossEntropy SurvivalAft PairLogit PairLogitPairwise QueryRMSE QuerySoftMax
        QueryCrossEntropy NumErrors FairLoss BalancedErrorRate BrierScore ZeroOneLoss HammingLoss HingeLoss
        Tweedie""",
    "Hugging Face evaluate 0.4.6": """
        brier_score cer charcut_mt mae mape mase mse perplexity smape ter wer eval_loss""",
    "usual spellings": "val_loss valLoss VAL_MSE cv_rmse oof/mae test.log-loss MeanSquaredError Top-5-Error avg_loss",
    "PyTorch, names of losses": "MSELoss CrossEntropyLoss BCELoss NLLLoss L1Loss HuberLoss HingeLoss KLDivLoss",
}

UNKNOWN = {
    "no metric": "threshold best_threshold n_samples support weighted_avg/support count epoch best_epoch step time",
    "of no known library": "training_time fit_time score_time total_flos eval_runtime learning_rate score mystery",
    "not a value of the metric": "test_f1_std std_test_f1 f1_min f1_ci_low auc-stdv rank_test_score delta_auc auc_drop",
    "another sign": "1-auc 1_minus_f1 -auc -mse minus_mse neg_auc neg_recall neg_loss neg_error f1_negative",
    "a signed error": "mean_error val_mean_error avg_error bias me",
    "folds and numbered sets": "fold_1_auc split0_test_auc validation_0-auc valid_0_auc",
    "unclear or contradictory": """
        err ams gamma ks psi kendall lift gain WordInfoPreserved PerceptualPathLength SpectralDistortionIndex
        profit_loss accuracy_loss stop_loss brier_skill_score true_positives CtrFactor mse/auc f1+auc""",
    "training data": "train_f1 training_f1 Train_F1 f1_train train/auc trainAUC train_loss loss/train auc-train-mean",
    "nothing in it": "_ - / .. @ ()",
}
