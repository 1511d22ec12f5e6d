"""The metrics that are known, and whether a higher or a lower value of each is better.

Taken from scikit-learn 1.9 (`get_scorer_names`, and the functions of `sklearn.metrics`), torchmetrics 1.9
(`higher_is_better`), Keras 3 (`_direction`), LightGBM 4.7 (the R package's `.METRICS_HIGHER_BETTER`), XGBoost 3.2
(`EarlyStopping`, and the names of `eval_metric`), CatBoost (`GetBestValue` in metric.cpp) and Hugging Face evaluate 0.4
(the cards of its metrics). Where two contradict each other, the definition of the metric decides: lower is better for
Davies-Bouldin. Spelling and what is written around a name are rules, in `modelog.metric_names`: so
`binary_accuracy`, `F1Score` and `neg_log_loss` are not in these lists.
"""

from __future__ import annotations

from typing import NamedTuple


class Group(NamedTuple):
    """Metrics of a kind of task. Names are separated by spaces; other names of the same metric follow after `=`."""

    title: str
    sources: str
    higher: str
    lower: str


GROUPS = (
    Group(
        "Classification",
        "scikit-learn, torchmetrics, Keras, LightGBM, XGBoost, CatBoost",
        higher="""
        accuracy=acc balanced_accuracy=bacc precision=pre=ppv=positive_predictive_value recall=sensitivity=tpr
        specificity=tnr negative_predictive_value=npv f1 f2 f0.5 fbeta f_score=f_measure auc=roc_auc=auroc=auc_roc
        auc_mu log_auc pr_auc=aucpr=auprc=aupr average_precision=ap mcc=matthews_corrcoef=matthews_correlation
        kappa=cohen_kappa weighted_kappa=wkappa=quadratic_weighted_kappa fleiss_kappa gini
        positive_likelihood_ratio log_likelihood=log_likelihood_of_prediction
        precision_at_recall=precision_at_fixed_recall recall_at_precision=recall_at_fixed_precision
        sensitivity_at_specificity specificity_at_sensitivity exact_match=exact=em
        ranking_average_precision=label_ranking_average_precision=lrap
        """,
        lower="""
        loss log_loss=cross_entropy=bce=xentropy=multi_class=mlogloss multi_class_one_vs_all
        cross_entropy_lambda=xentlambda negative_log_likelihood=neg_log_likelihood=nll brier=brier_score_loss
        hinge=hinge_loss squared_hinge error=error_rate=merror=classification_error zero_one_loss
        hamming=hamming_loss=hamming_distance ranking_loss=label_ranking_loss coverage_error
        negative_likelihood_ratio calibration_error=expected_calibration_error=ece fpr=false_positive_rate=fall_out
        fnr=false_negative_rate=miss_rate eer=equal_error_rate num_errors
        """,
    ),
    Group(
        "Regression and distributions",
        "scikit-learn, torchmetrics, Keras, LightGBM, XGBoost, CatBoost, evaluate",
        higher="""
        r2=r_squared explained_variance d2_absolute_error d2_brier d2_log_loss d2_pinball d2_tweedie
        pearson=pearsonr=pearson_correlation spearman=spearmanr=spearman_corr_coef
        concordance_correlation=concordance_corr_coef cosine_similarity critical_success_index
        interval_regression_accuracy
        """,
        lower="""
        mae=mean_absolute_error=l1 mse=mean_squared_error=l2 rmse=root_mean_squared_error=l2_root query_rmse
        msle=mean_squared_log_error=mean_squared_logarithmic_error rmsle=root_mean_squared_log_error
        mape=mean_absolute_percentage_error smape=symmetric_mean_absolute_percentage_error
        wmape=weighted_mean_absolute_percentage_error mase nrmse=normalized_root_mean_squared_error
        medae=median_absolute_error max_error relative_squared_error=rse log_cosh=log_cosh_error
        huber pseudo_huber=mphe quantile=pinball=pinball_loss=mean_pinball_loss expectile lq log_lin_quantile
        fair=fair_loss deviance tweedie_deviance poisson_deviance gamma_deviance poisson=poisson_nloglik
        gamma_nloglik tweedie=tweedie_nloglik cox_nloglik aft_nloglik=survival_aft minkowski_distance
        crps=continuous_ranked_probability_score kl_divergence=kullback_leibler=kullback_leibler_divergence=kldiv
        jensen_shannon_divergence
        """,
    ),
    Group(
        "Ranking",
        "scikit-learn, torchmetrics, LightGBM, XGBoost, CatBoost, evaluate",
        higher="""
        map=mean_average_precision mar=mean_average_recall ndcg=normalized_dcg dcg filtered_dcg
        mrr=mean_reciprocal_rank=reciprocal_rank=recip_rank hit_rate=hits=hit r_precision bpref pfound pair_accuracy
        average_gain query_average query_auc
        """,
        lower="pair_logit pair_logit_pairwise query_soft_max query_cross_entropy",
    ),
    Group(
        "Clustering and association",
        "scikit-learn, torchmetrics",
        higher="""
        rand_index=rand_score adjusted_rand=adjusted_rand_index=ari mutual_info
        normalized_mutual_info=nmi adjusted_mutual_info=ami homogeneity completeness v_measure
        fowlkes_mallows=fowlkes_mallows_index silhouette calinski_harabasz dunn_index consensus cluster_accuracy
        cramers_v theils_u tschuprows_t pearsons_contingency_coefficient
        """,
        lower="davies_bouldin",
    ),
    Group(
        "Text and speech",
        "evaluate, torchmetrics",
        higher="""
        bleu sacrebleu google_bleu=gleu chrf rouge rouge_l rouge_l_sum meteor bertscore bleurt comet mauve sari
        squad cider nist nist_mt frugalscore anls pass pesq=perceptual_evaluation_speech_quality
        stoi=short_time_objective_intelligibility snr=signal_noise_ratio sdr=signal_distortion_ratio
        si_snr=scale_invariant_signal_noise_ratio si_sdr=scale_invariant_signal_distortion_ratio
        sa_sdr=source_aggregated_signal_distortion_ratio
        c_si_snr=complex_scale_invariant_signal_noise_ratio dnsmos=deep_noise_suppression_mean_opinion_score
        nisqa=non_intrusive_speech_quality_assessment srmr=speech_reverberation_modulation_energy_ratio
        """,
        lower="""
        perplexity=ppl wer=word_error_rate cer=char_error_rate=character_error_rate=cer_score
        match_error_rate=mer word_info_lost=wil ter=translation_edit_rate edit_distance extended_edit_distance
        charcut=charcut_mt diarization_error_rate
        """,
    ),
    Group(
        "Images and video",
        "torchmetrics, Keras, evaluate",
        higher="""
        jaccard=jaccard_index iou=intersection_over_union mean_iou=miou one_hot_iou one_hot_mean_iou
        giou=generalized_intersection_over_union diou=distance_intersection_over_union
        ciou=complete_intersection_over_union dice=generalized_dice panoptic_quality=pq modified_panoptic_quality
        psnr=peak_signal_noise_ratio psnrb=peak_signal_noise_ratio_with_blocked_effect
        ssim=structural_similarity=structural_similarity_index_measure
        ms_ssim=multi_scale_structural_similarity_index_measure uqi=universal_image_quality_index
        qnr=quality_with_no_reference spatial_correlation_coefficient vif=visual_information_fidelity
        vmaf=video_multi_method_assessment_fusion inception_score clip_score clip_image_quality_assessment arniqa
        """,
        lower="""
        fid=frechet_inception_distance kid=kernel_inception_distance
        mifid=memorization_informed_frechet_inception_distance lpips=learned_perceptual_image_patch_similarity
        dists=deep_image_structure_and_texture_similarity ergas=error_relative_global_dimensionless_synthesis
        rase=relative_average_spectral_error spectral_angle_mapper spatial_distortion_index
        root_mean_squared_error_using_sliding_window total_variation hausdorff=hausdorff_distance
        procrustes_disparity lip_vertex_error
        """,
    ),
    Group("Operation", "no library", higher="", lower="latency latency_ms"),
)

UNKNOWN = {
    "mean_error=average_error=avg_error=error_mean=error_avg": "is often the signed error, whose best value is 0",
    "neg_loss=neg_error": "is a negated loss, or the loss of the negative examples",
    "word_info_preserved perceptual_path_length spectral_distortion_index": (
        "torchmetrics' `higher_is_better` contradicts the definition of the metric"
    ),
    "err": "is an error, or the expected reciprocal rank",
}
"""Names whose parts are known, and which have no direction as a whole, with the reason."""
